"""`milter64 greylist import`: take in what `export` has written, or another greylister, beside the service."""

import argparse
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from milter64.cli.greylist_file import Absent, Unavailable, changing, opened, saying_how_far
from milter64.cli.greylist_rows import is_of_pair
from milter64.cli.greylist_takeover import is_export, print_allow_lines, reading, tell
from milter64.cli.terminal_layout import Screen
from milter64.config.settings import Settings
from milter64.greylist.export_text import LONGEST_LINE, BrokenExportError, Row, load
from milter64.greylist.row import Record, RecordKind
from milter64.sharing.keys import LOADED
from milter64.takeover.conversion import LeftOut

_AT_ONCE = 1000
"""Rows that are merged at a time."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Read all of a file, and only if it is whole merge what it has."""
    if arguments.allow_list:
        return print_allow_lines(arguments.allow_list, settings)
    kind, counts = RecordKind(settings.greylist), Counter[str]()
    try:
        with opened(settings) as greylist:
            now = greylist.now
    except Absent:
        now = time.time
    left_out = LeftOut()
    with saying_how_far(partial(_far, counts)), ExitStack() as stack:
        if arguments.file and not is_export(arguments.file):
            read = reading(arguments.file, settings, now, left_out)
        else:
            read = partial(_exported, stack.enter_context(_source(arguments.file)), arguments.file)
        for row in read():
            counts.update(_sorts(row, kind, now()))
        if not arguments.dry_run:
            _merge(_counting(read(), kind, now), settings, now, counts)
    if arguments.json:
        _print(counts, left_out, imported=not arguments.dry_run)
    else:
        tell(left_out)
        _tell(counts, settings, imported=not arguments.dry_run)
    return os.EX_OK


def _exported(file: BinaryIO, path: Path | None) -> Iterator[Row]:
    """Yield the rows of an export, from its beginning."""
    name = path or "standard input"
    file.seek(0)
    try:
        yield from load(_lines(file))
    except BrokenExportError as error:
        raise Unavailable(f"{name}: {error}") from None
    except OSError as error:
        raise Unavailable(f"{name} can't be read: {error.strerror}") from error


def _sorts(row: Row, kind: RecordKind, now: float) -> Iterator[str]:
    """Yield what a row counts as."""
    key, _, record = row
    if kind.expires(record) < now:
        yield "expired"
        return
    if key.startswith(LOADED):
        yield "unnamed"
    if record.forgotten:
        yield "forgotten"
    elif not is_of_pair(row):
        yield "earned"
    else:
        yield "waiting" if kind.waits(record) else "passed"


def _counting(rows: Iterable[Row], kind: RecordKind, now: Callable[[], float]) -> Iterator[Row]:
    """Yield the rows that say something still, none of them of a time to come: no clock is to follow them."""
    for key, group, record in rows:
        at = now()
        if kind.expires(record) >= at:
            passed = record.passed_at
            seen, passed = min(record.first_seen, at), None if passed is None else min(passed, at)
            yield key, group, Record(generation=record.generation, first_seen=seen, passed_at=passed)


def _merge(rows: Iterator[Row], settings: Settings, now: Callable[[], float], counts: Counter[str]) -> None:
    kind = RecordKind(settings.greylist)
    with changing(settings, now, _warn) as change:
        while some := list(islice(rows, _AT_ONCE)):
            entries = dict[str, dict[str, Record]]()
            for key, group, record in some:
                known = entries.setdefault(key, {})
                known[group] = kind.merge(known[group], record) if group in known else record
            change.merge(list(entries.items()))
            counts["merged"] += len(some)
        counts["dropped"] = change.dropped
        for trouble in change.troubles:
            _warn(trouble)


def _far(counts: Counter[str]) -> str:
    if not counts["merged"]:
        return "nothing was imported"
    return f"{counts['merged']} rows were imported by then, and it may be done again"


def _warn(what: str) -> None:
    Screen(sys.stderr).line(f"milter64 greylist import: {what}")


@contextmanager
def _source(path: Path | None) -> Iterator[BinaryIO]:
    """Open what is to be read, which is read twice."""
    if path is None:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            yield copy
        return
    try:
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115  below
    except OSError as error:
        raise Unavailable(f"{path} can't be read: {error.strerror}") from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unavailable(f"{path} is no regular file; give it on standard input")
        yield file


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines, of those that are too long the beginning."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line


_TAKEN = ("passed", "waiting", "earned", "forgotten")


def _print(counts: Counter[str], left_out: LeftOut, *, imported: bool) -> None:
    report = {
        "milter64": "greylist import",
        "schema": 1,
        "imported": imported,
        **{name: counts[name] for name in (*_TAKEN, "unnamed", "expired", "dropped")},
        "left_out": [{"reason": reason, "times": times, "first": list(first)} for reason, times, first in left_out],
    }
    Screen().line(json.dumps(report))


def _tell(counts: Counter[str], settings: Settings, *, imported: bool) -> None:
    screen = Screen()
    would = "imported" if imported else "would be imported"
    taken = sum(counts[name] for name in _TAKEN)
    what = f"{counts['passed']} that have passed, {counts['waiting']} that wait"
    screen.line(f"{taken} rows {would}: {what}, {counts['earned']} by which networks and domains earn not to wait")
    if counts["unnamed"]:
        only = "" if settings.greylist.shared else ", and count here only once this host shares as well"
        screen.line(f"{counts['unnamed']} of them are kept under a digest, as other hosts have told of them{only}")
    if counts["expired"]:
        screen.line(f"{counts['expired']} have run out, and are left out")
    if counts["dropped"]:
        screen.line(f"{counts['dropped']} had to give way, as there are too many")
