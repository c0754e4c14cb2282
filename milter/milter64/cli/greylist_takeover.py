"""What `milter64 greylist import` takes over from other greylisters' databases."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from milter64.cli.greylist_file import Unavailable
from milter64.cli.terminal_layout import Screen
from milter64.config.list_sources import mistakes
from milter64.config.settings import Settings
from milter64.takeover import allow_lines, database
from milter64.takeover.conversion import Conversion, LeftOut, Row, Unreadable
from milter64.takeover.recognise import recognise


def is_export(path: Path) -> bool:
    """Whether a file begins as an export of ours does, or is none that can be looked into, as who reads it will say.

    A folder is for who takes files over to tell of: it is where others keep theirs.
    """
    try:
        if not path.is_file():  # to open a pipe would keep us waiting
            return not path.is_dir()
        with path.open("rb") as file:
            return file.read(1) in (b"{", b"")
    except OSError:
        return True


def reading(path: Path, settings: Settings, now: Callable[[], float], left_out: LeftOut) -> Callable[[], Iterable[Row]]:
    """Return what reads the rows of a file, each time anew; what is left out is noted the first time.

    Raises:
        Unavailable: it can't be taken over; so does what is returned.
    """
    with _said(path):
        kind = recognise(path)

    def read() -> Iterator[Row]:
        conversion = Conversion(settings.translator(), settings.greylist, now())
        noted = LeftOut() if list(left_out) else left_out
        with _said(path):
            yield from database.rows(path, kind, conversion, noted)

    return read


def print_allow_lines(path: Path, settings: Settings) -> int:
    """Print the lines of an [allow] file for whom another greylister's list lets in."""
    left_out, screen = LeftOut(), Screen()
    conversion = Conversion(settings.translator(), settings.greylist, time.time())
    with _said(path):
        for line in allow_lines.lines(path, conversion, mistakes(settings), left_out):
            screen.line(line)
    tell(left_out)
    return os.EX_OK


def tell(left_out: LeftOut) -> None:
    """Say on standard error what was not taken over, and why."""
    screen = Screen(sys.stderr)
    for reason, times, first in left_out:
        screen.line(f"not taken over: {reason}: {times}")
        for what in first:
            screen.line(f"    {what}")
        if times > len(first):
            screen.line(f"    and {times - len(first)} more")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise Unavailable(f"{path}: {error}; {error.remedy}") from error
    except OSError as error:
        raise Unavailable(f"{path} can't be read: {error.strerror}") from error
