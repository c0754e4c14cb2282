"""What a page says, before it looks like anything.

All text is plain and unescaped; who shows it cleans it. Numbers, times and durations are given as such, for whoever
shows them to write, to draw and to sort.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Literal, TypeAlias

from milter64.pages.wording import Kind, Value, said


class Level(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTICE = "notice"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its heading, and what its cells are."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of as many cells as there are columns; a cell that is None is empty.

    `more` says how many rows were left out.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A few figures that say most, each with its name, as ("refused", "1,204, a third")."""

    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A number for each label of its plot."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Columns over labels such as hours, in each of which the series are stacked; `by` says what the labels are."""

    by: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How many there are from each edge to the next, as of times to pass; there is an edge more than counts.

    `by` says what is measured, and `of` what is counted. The last edge may be infinite.
    """

    by: str
    of: str
    kind: Literal["number", "duration"] = "duration"
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Who has how much, in the order given; `by` says what the names are, `of` what is counted.

    `more` says how many names were left out.
    """

    by: str
    of: str
    shares: tuple[tuple[str, float], ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to know: what it is about, what there is, what speaks for it, and what to do.

    `see` is a command to see it oneself; `lines` are to be pasted, each whole.
    """

    level: Level
    about: str = ""
    text: str
    evidence: tuple[str, ...] = ()
    see: str = ""
    remedy: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Findings, in the order given."""

    findings: tuple[Finding, ...]


Plot: TypeAlias = Bars | Distribution | Shares
Content: TypeAlias = Table | Figures | Plot | Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a document: its title, a sentence or two, and what it shows."""

    title: str
    text: str = ""
    content: Content | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """All of a page: `of` says what it is of, such as a host and a span of time; `made_at` is in seconds since 1970."""

    title: str
    of: str
    made_at: float
    sections: tuple[Section, ...]


def numbers(plot: Plot) -> Table:
    """Return what a plot shows, as a table."""
    match plot:
        case Bars():
            columns = (Column(name=plot.by), *(Column(name=series.name, kind="number") for series in plot.series))
            rows = tuple(zip(plot.labels, *(series.values for series in plot.series), strict=True))
            return Table(columns=columns, rows=rows)
        case Distribution():
            columns = (Column(name=plot.by), Column(name=plot.of, kind="number"))
            spans = [_span(low, high, plot.kind) for low, high in pairwise(plot.edges)]
            return Table(columns=columns, rows=tuple(zip(spans, plot.counts, strict=True)))
        case Shares():
            columns = (Column(name=plot.by), Column(name=plot.of, kind="number"))
            return Table(columns=columns, rows=plot.shares, more=plot.more)


def _span(low: float, high: float, kind: Kind) -> str:
    if high == float("inf"):
        return f"{said(low, kind)} or more"
    return f"{said(low, kind)} to {said(high, kind)}"
