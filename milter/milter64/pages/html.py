"""One self-contained page of a Document: no script, style, font or image from elsewhere.

Its policy allows the one style and the one script that are in it, by their hashes, and nothing else: if markup of a
stranger's got in, it could neither run nor load anything. It can't get in, for all text is escaped by `markup`.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

from milter64.pages.document import (
    Bars,
    Distribution,
    Document,
    Figures,
    Finding,
    Findings,
    Section,
    Shares,
    Table,
    numbers,
)
from milter64.pages.plots import drawn
from milter64.pages.wording import markup, whole

STYLE = Path(__file__).with_name("page.css").read_text()
SCRIPT = Path(__file__).with_name("page.js").read_text()
_LISTED = 4
"""Sections of which there is a list at the top."""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src {_hash(STYLE)}",
        f"script-src {_hash(SCRIPT)}",
        "img-src data:",  # the icon, of nothing, for which no server is to be asked
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
"""What a browser may do with the page."""


def page(document: Document, others: Mapping[str, str] | None = None) -> str:
    """Return the page of a document; `others` are pages beside it, each with its address."""
    return "\n".join(_lines(document, others or {})) + "\n"


def _lines(document: Document, others: Mapping[str, str]) -> Iterator[str]:
    title, of = markup(document.title), markup(document.of)
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield '<head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield '<link rel="icon" href="data:,">'
    yield f"<title>{title}: {of}</title>"
    yield f"<style>{STYLE}</style></head>"
    yield "<body>"
    if others:
        yield from _links("pages", ((address, markup(name)) for name, address in others.items()))
    yield f"<main><header><h1>{title}</h1>"
    yield f"<p>{of}, as of {markup(document.made_at, 'time')}</p></header>"
    if len(document.sections) >= _LISTED:
        titles = (markup(section.title) for section in document.sections)
        yield from _links("on this page", ((f"#part{number}", said) for number, said in enumerate(titles)))
    for number, section in enumerate(document.sections):
        yield from _section(section, f"part{number}")
    yield f"</main><script>{SCRIPT}</script></body></html>"


def _links(name: str, links: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f'<nav aria-label="{name}"><ul>'
    for address, said in links:
        yield f'<li><a href="{escape(address)}">{said}</a></li>'
    yield "</ul></nav>"


def _section(section: Section, name: str) -> Iterator[str]:
    title = markup(section.title)
    yield f'<section><h2 id="{name}">{title}</h2>'
    if section.text:
        yield f"<p>{markup(section.text)}</p>"
    match section.content:
        case Table() as table:
            yield from _table(table, title)
        case Figures(figures=figures):
            yield '<dl class="figures">'
            for what, figure in figures:
                yield f"<div><dt>{markup(what)}</dt><dd>{markup(figure)}</dd></div>"
            yield "</dl>"
        case Findings(findings=findings):
            yield '<ul class="findings">'
            for finding in findings:
                yield from _finding(finding)
            yield "</ul>"
        case Bars() | Distribution() | Shares() as plot:
            yield from drawn(plot, title=section.title, name=name)
            yield "<details><summary>In numbers</summary>"
            yield from _table(numbers(plot), title)
            yield "</details>"
    yield "</section>"


def _table(table: Table, label: str) -> Iterator[str]:
    """Yield a table in a box of its own, which scrolls; cells have what they are sorted by if it isn't their text."""
    yield f'<div class="table" role="group" aria-label="{label}" tabindex="0"><table><thead><tr>'
    for column in table.columns:
        yield f'<th scope="col" class="{column.kind}">{markup(column.name)}</th>'
    yield "</tr></thead><tbody>"
    for row in table.rows:
        cells = []
        for column, value in zip(table.columns, row, strict=True):
            by = "" if value is None or isinstance(value, str) else f' data-by="{value}"'
            cells.append(f'<td class="{column.kind}"{by}>{markup(value, column.kind)}</td>')
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"
    if table.more:
        yield f"<p>and {markup(table.more)} more</p>"


def _finding(finding: Finding) -> Iterator[str]:
    about = f"<strong>{markup(finding.about)}</strong> " if finding.about else ""
    yield f'<li class="{finding.level}"><p><b>{finding.level}</b> {about}{markup(finding.text)}</p>'
    if finding.evidence:
        yield f"<p>Evidence: {markup('; '.join(finding.evidence))}</p>"
    if finding.see:
        yield f"<p>See: <code>{escape(whole(finding.see))}</code></p>"
    if finding.remedy:
        yield f"<p>Remedy: {markup(finding.remedy)}</p>"
    if finding.lines:
        lines = "\n".join(escape(whole(line)) for line in finding.lines)
        yield f'<pre role="group" aria-label="to be pasted" tabindex="0">{lines}</pre>'
    yield "</li>"
