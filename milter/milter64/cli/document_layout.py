"""A Document, laid out as text."""

from collections.abc import Sequence
from textwrap import wrap

from milter64.cli.terminal_layout import Screen
from milter64.mail.clean_text import clean
from milter64.pages.document import (
    Bars,
    Distribution,
    Document,
    Figures,
    Finding,
    Findings,
    Level,
    Plot,
    Section,
    Shares,
    Table,
    numbers,
)
from milter64.pages.wording import said, whole

_COLOURS = {Level.GOOD: "green", Level.NOTICE: "bold", Level.WARNING: "yellow", Level.PROBLEM: "red"}
_WIDEST = 100
"""Characters in a line of prose, where there is room for them."""
_NARROWEST = 30
_SHORTEST_BAR, _LONGEST_BAR = 10, 30
_EIGHTHS = " ▏▎▍▌▋▊▉"
_BETWEEN = 2
_NARROWEST_CELL = 12
_INDENT = 2
_LEVEL = max(map(len, Level)) + 2
_TEXT = _INDENT + _LEVEL
"""Where a finding's text begins."""


def show(document: Document, screen: Screen) -> None:
    """Write a document; on a terminal it fits, and plots have bars if it can show them."""
    screen.title(said(document.title))
    _prose(f"{document.of}, as of {said(document.made_at, 'time')}", screen, indent=0)
    for section in document.sections:
        screen.line()
        _show(section, screen)


def _show(section: Section, screen: Screen) -> None:
    screen.title(said(section.title))
    _prose(section.text, screen)
    match section.content:
        case Table() as table:
            _table(table, screen)
        case Figures(figures=figures):
            screen.table([(said(name), said(figure)) for name, figure in figures], indent=_INDENT)
        case Findings(findings=findings):
            for finding in findings:
                _finding(finding, screen)
        case Bars() | Distribution() | Shares() as plot:
            sizes = _sizes(plot) if screen.draws else ()
            _table(numbers(plot), screen, sizes, labelled=not isinstance(plot, Shares))


def _prose(text: str, screen: Screen, *, indent: int = _INDENT) -> None:
    for line in _wrapped(said(text), screen, indent) if text else ():
        screen.line(line)


def _wrapped(text: str, screen: Screen, indent: int) -> list[str]:
    blank = " " * indent
    width = max(min(screen.width, _WIDEST + indent), _NARROWEST + indent)
    return wrap(text, width, initial_indent=blank, subsequent_indent=blank, break_on_hyphens=False)


def _table(table: Table, screen: Screen, sizes: Sequence[float] = (), *, labelled: bool = False) -> None:
    """Write a table, and a bar for the size of each row; where it is too wide its longest cells are cut.

    But times are not, nor labels in the first column, which would say something else without their end.
    """
    kinds = [column.kind for column in table.columns]
    cells = [[said(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in table.rows]
    columns = [list(column) for column in zip([said(column.name) for column in table.columns], *cells, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    room = screen.width - _INDENT - _BETWEEN * (len(columns) - 1) - (_BETWEEN + _SHORTEST_BAR if sizes else 0)
    shrink = [at for at, kind in enumerate(kinds) if kind != "time" and (at or not labelled)]
    while sum(widths) > room and max((widths[at] for at in shrink), default=0) > _NARROWEST_CELL:
        widths[max(shrink, key=widths.__getitem__)] -= 1
    for column, width, kind in zip(columns, widths, kinds, strict=True):
        aligned = str.rjust if kind in ("number", "duration") else str.ljust
        column[:] = [aligned(clean(cell, width), width) for cell in column]
    if sizes:
        longest = min(_SHORTEST_BAR + max(room - sum(widths), 0), _LONGEST_BAR)
        columns.append(["", *(_bar(size / (max(sizes) or 1), longest) for size in sizes)])
    head, *rows = zip(*columns, strict=True)
    screen.table(rows, head, indent=_INDENT)
    if table.more:
        screen.line(f"{' ' * _INDENT}and {said(table.more)} more")


def _sizes(plot: Plot) -> Sequence[float]:
    """Return how long the bar of each row of a plot's numbers is, beside the others."""
    match plot:
        case Bars():
            return [sum(column) for column in zip(*(series.values for series in plot.series), strict=True)]
        case Distribution():
            return plot.counts
        case Shares():
            return [value for _, value in plot.shares]


def _bar(part: float, longest: int) -> str:
    full, eighths = divmod(round(part * longest * len(_EIGHTHS)), len(_EIGHTHS))
    return "█" * full + _EIGHTHS[eighths].strip()


def _finding(finding: Finding, screen: Screen) -> None:
    """Write a finding: prose beside its level, then what is to be copied, which is never wrapped."""
    level = screen.paint(f"{finding.level:{_LEVEL}}", _COLOURS[finding.level])
    text = f"{finding.about}: {finding.text}" if finding.about else finding.text
    first, *others = _wrapped(said(text), screen, _TEXT) or [""]
    screen.line(" " * _INDENT + level + first[_TEXT:])
    for line in others:
        screen.line(line)
    if finding.evidence:
        _prose(f"evidence: {'; '.join(finding.evidence)}", screen, indent=_TEXT)
    if finding.see:
        screen.line(f"{' ' * _TEXT}see: {whole(finding.see)}")
    if finding.remedy:
        _prose(f"remedy: {finding.remedy}", screen, indent=_TEXT)
    for line in finding.lines:
        screen.line(f"{' ' * (_TEXT + _INDENT)}{whole(line)}")
