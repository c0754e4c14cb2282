"""What `milter64 audit` has found out, as a page."""

import time
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from milter64.audit.report_line import Level as Badness
from milter64.audit.report_line import Line
from milter64.pages.document import Document, Figures, Finding, Findings, Level, Section

_LEVELS = {Badness.OK: Level.GOOD, Badness.WARNING: Level.WARNING, Badness.PROBLEM: Level.PROBLEM}


def heading(theme: str) -> str:
    """Return the heading of a theme."""
    return theme if theme == "milter64" else theme.capitalize()


def document(host: str, domains: Sequence[str], lines: Sequence[tuple[str, Line]]) -> Document:
    """Return the page: how many lines there are of each level, and the lines by theme."""
    counts = Counter(line.level for _, line in lines)
    figures = Figures(figures=tuple((_LEVELS[level], str(counts[level])) for level in Badness))
    themes = (
        Section(title=heading(theme), content=Findings(findings=tuple(_finding(line) for _, line in group)))
        for theme, group in groupby(lines, key=lambda pair: pair[0])
    )
    return Document(
        title="Audit",
        of=", ".join(dict.fromkeys((host, *domains))),
        made_at=time.time(),
        sections=(Section(title="In short", content=figures), *themes),
    )


def _finding(line: Line) -> Finding:
    """Return a line as a finding; its commands are kept together with what they are about."""
    return Finding(
        level=_LEVELS[line.level],
        about=line.subject,
        text=line.reason,
        evidence=line.evidence,
        see=line.see,
        remedy=line.remedy,
    )
