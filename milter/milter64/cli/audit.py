"""`milter64 audit`: what is wrong with this mail host and its network, seen from here and from outside."""

import argparse
import dataclasses
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import TextIO

from milter64.audit.auditor import audit, gather
from milter64.audit.report_line import Level, Line
from milter64.cli.audit_document import document, heading
from milter64.cli.html_file import html_argument, write
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.mail.clean_text import clean
from milter64.mail.idna_domain import ascii_domain
from milter64.pages.document import Document

PROBLEMS = 1
"""The exit code where there is a problem; warnings are none."""
_LONGEST = 1000
_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LONGEST_DOMAIN = 253
_NARROWEST = 30
_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
_ERASE = "\r\x1b[K"

EXAMPLES = """\
  What is wrong with this host?
    milter64 audit
  The same, where it receives or sends for two domains:
    milter64 audit --domain example.org --domain example.net
  As a page for a browser:
    milter64 audit --html audit.html
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "--domain",
        action="append",
        default=[],
        type=_domain,
        dest="domains",
        metavar="DOMAIN",
        help="a domain that is received or sent for here, may be repeated; default: Postfix's mydomain",
    )
    parser.add_argument(
        "--config-directory",
        type=Path,
        metavar="DIRECTORY",
        help="where Postfix's main.cf and master.cf are; default: Postfix's own folder",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, for programs")
    html_argument(form)


def _domain(text: str) -> str:
    """Read a domain, which may have U-labels, as DNS knows it."""
    domain = ascii_domain(text)
    if len(domain) > _LONGEST_DOMAIN or not _DOMAIN.fullmatch(domain):
        raise argparse.ArgumentTypeError(f"{clean(repr(text))} is no domain, such as example.org")
    return domain


def main(arguments: argparse.Namespace) -> int:
    """Look at everything, say what there is, and change nothing."""
    settings = load(arguments.config)
    with _progress(sys.stderr) as progress:
        facts, trouble = gather(settings, arguments.config_directory, arguments.domains, progress)
        lines = [(theme, _clean(line)) for theme, line in audit(facts, trouble)]
    counts = Counter(line.level for _, line in lines)
    screen = Screen()
    code = PROBLEMS if counts[Level.PROBLEM] else os.EX_OK
    if arguments.html:
        return write(document(facts.name, facts.domains, lines), arguments.html, "audit") or code
    if arguments.json:
        report = {
            "host": clean(facts.name),
            "domains": [clean(domain) for domain in facts.domains],
            "counts": {level.value: counts[level] for level in Level},
            "lines": [{"theme": theme, **dataclasses.asdict(line)} for theme, line in lines],
        }
        screen.line(json.dumps(report, indent=2))
    else:
        _show(lines, counts, screen)
    return code


def found(config: Path | None) -> Document:
    """Return the page of an audit without options."""
    facts, trouble = gather(load(config), None, (), lambda _: None)
    return document(facts.name, facts.domains, list(audit(facts, trouble)))


def _clean(line: Line) -> Line:
    return dataclasses.replace(
        line,
        subject=clean(line.subject, _LONGEST),
        reason=clean(line.reason, _LONGEST),
        evidence=tuple(clean(each, _LONGEST) for each in line.evidence),
        see=clean(line.see, _LONGEST),
        remedy=clean(line.remedy, _LONGEST),
    )


def _show(lines: list[tuple[str, Line]], counts: Counter[Level], screen: Screen) -> None:
    """Lay the lines out by theme, all in the same columns; on a terminal they are wrapped to its width."""
    longest = max((len(line.subject) for _, line in lines), default=0)
    used = longest + len("  problem    ")
    width = max(shutil.get_terminal_size().columns - used, _NARROWEST) if sys.stdout.isatty() else sys.maxsize
    for theme, group in groupby(lines, key=lambda pair: pair[0]):
        screen.title(heading(theme))
        rows = []
        for _, line in group:
            level, subject = screen.paint(f"{line.level:7}", _COLOURS[line.level]), f"{line.subject:{longest}}"
            for part in _texts(line, width):
                rows.append((level, subject, part))
                level = subject = ""
        screen.table(rows, indent=2)
    screen.line(", ".join(f"{counts[level]} {level}" for level in Level))


def _texts(line: Line, width: int) -> Iterator[str]:
    """Yield what stands beside a subject; what belongs to a line that is ok only `--json` has.

    Commands are left whole, to be copied.
    """
    yield from wrap(line.reason, width, subsequent_indent="  ", break_on_hyphens=False)
    if line.level is not Level.OK:
        if line.evidence:
            evidence = f"evidence: {'; '.join(line.evidence)}"
            yield from wrap(evidence, width, subsequent_indent="  ", break_on_hyphens=False)
        yield f"see: {line.see}"
        yield f"remedy: {line.remedy}"


class _Progress:
    """One line on a terminal, rewritten; nothing elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = stream.isatty()

    def __call__(self, text: str) -> None:
        """Show what is being done now."""
        if self._shown:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(_ERASE + f"asking: {clean(text)}"[:width])
            self._stream.flush()

    def end(self) -> None:
        """Leave nothing behind."""
        if self._shown:
            self._stream.write(_ERASE)
            self._stream.flush()


@contextmanager
def _progress(stream: TextIO) -> Iterator[_Progress]:
    progress = _Progress(stream)
    try:
        yield progress
    finally:
        progress.end()
