"""Layout for people: aligned tables, and colour on a terminal only."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TextIO

from milter64.config.problems import ConfigError
from milter64.mail.clean_text import clean

_COLOURS = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33}
_ALIGNED = 1000
"""Rows that are aligned at a time."""
_ESCAPE = re.compile("\x1b\\[[0-9]*m")


class Screen:
    """A stream that people read; plain where it is no terminal, or where NO_COLOR is set (https://no-color.org)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to `stream`, standard output by default."""
        self._stream = stream or sys.stdout
        terminal = self._stream.isatty()
        self._coloured = terminal and not os.environ.get("NO_COLOR")
        self.width = shutil.get_terminal_size().columns if terminal else sys.maxsize
        """What fits in a line: of a file or a pipe, all."""
        self.draws = terminal and self._stream.encoding.lower() == "utf-8"
        """Whether there may be bars, of characters that ASCII has not."""

    def paint(self, text: str, colour: str) -> str:
        """Return text in "bold", "dim", "red", "green" or "yellow", if there is colour here."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._coloured else text

    def line(self, text: str = "") -> None:
        """Write a line."""
        print(text, file=self._stream)

    def title(self, text: str) -> None:
        """Write the heading of what follows."""
        self.line(self.paint(text, "bold"))

    def table(self, rows: Iterable[Sequence[str]], head: Sequence[str] = (), *, indent: int = 0) -> None:
        """Write rows of as many cells each, aligned in columns two spaces apart; painted cells count as they look.

        Of very many rows the first are written before the last are known, which may need wider columns.
        """
        shown = chain([[self.paint(cell, "dim") for cell in head]] if head else [], rows)
        widths: Sequence[int] = ()
        while some := list(islice(shown, _ALIGNED)):
            here = [max(map(_width, column)) for column in zip(*some, strict=True)]
            widths = list(map(max, here, widths or here))
            for row in some:
                cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
                self.line(" " * indent + "  ".join(cells).rstrip())

    def problems(self, error: ConfigError) -> None:
        """Write all that is wrong with a configuration."""
        count = len(error.problems)
        self.title(f"{clean(str(error.path))}: {count} {'error' if count == 1 else 'errors'}")
        rows = []
        for problem in error.problems:
            line = "" if problem.line is None else str(problem.line)
            rows.append((line, self.paint(problem.key, "bold"), self.paint(problem.what, "red")))
            rows.append(("", "", problem.remedy))
        self.table(rows, ("LINE", "KEY", "WHAT IS WRONG, AND ITS REMEDY"))


def _width(cell: str) -> int:
    return len(_ESCAPE.sub("", cell) if "\x1b" in cell else cell)
