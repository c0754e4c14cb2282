"""A list's file of entries by command: what commands have said since it was looked at, and what others have said.

Commands write whom they name at the end. So a line that has come behind those that it stood before was given anew, and
so was the last one of a file that was written without any other change.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from milter64.lists.commanded import alone, write
from milter64.lists.index import Read, lines
from milter64.lists.list_file import LINES, OCTETS, read_list
from milter64.lists.mistakes import Mistake
from milter64.mail.clean_text import clean
from milter64.sharing.lists_journal import ABSENT, Journal, Stamp
from milter64.sharing.said import NOTHING, Said, counts, dump, entry_in, field_of, is_past

_TICK = 0.001
"""Seconds that a later word is later, at least."""
_TOLD = 10
"""Lines that can't be taken that are told at a time."""


class _Line(NamedTuple):
    """A line, and its field; "" where it is no entry."""

    raw: bytes
    field: str
    text: str


class CommandedFile:
    """For one thread, that of the worker which keeps files and servers equal."""

    def __init__(  # noqa: PLR0913, PLR0917  all that there is to it
        self, check: str, path: Path, read: Read, journal: Journal, host: str, warn: Callable[[str], None]
    ) -> None:
        """Take a list's file; `read` takes the lines that may count here, and `host` is who has said what is new."""
        self._check = check
        self._path = path
        self._read = read
        self._journal = journal
        self._host = host
        self._warn = warn
        self._held_before = {field for field in journal.said[check] if field in journal.held}
        """What could not be taken when the service ran last: other settings may let it."""

    @property
    def has_changed(self) -> bool:
        """Whether it is not as the journal knows it, or may take what it could not before."""
        return self._found()[0] != self._journal.stamps[self._check] or bool(self._held_before)

    def exchange(self, news: Mapping[str, Said], replaced: dict[str, bytes], now: float, wall: float) -> None:
        """Note in the journal what commands have said, and what others have said later, which the file has then.

        `replaced` gets the fields that commands have changed, each with what it was before. `now` is the server's time,
        and `wall` ours.

        Raises:
            OSError: the file can't be read or written, or a command has it now.
        """
        journal, check = self._journal, self._check
        with alone(self._path.parent, 0.0) as folder:
            stamp, changed_at = self._found()
            known = journal.said[check]
            here = self._lines(read_list(self._path, ours=True))
            if stamp != ABSENT:
                self._note(here, self._given(here, stamp, wall), now, now - max(0.0, wall - changed_at), replaced)
            later = {field: known[field] for field in self._held_before}
            if stamp == ABSENT:  # lost: nobody has taken back all at once
                later |= known
            later |= {field: said for field, said in news.items() if said > known.get(field, NOTHING)}
            journal.found(check, stamp)
            kept = [each for each in here if each.field not in later]
            added, held = self._taken(later, kept, wall)
            if added or len(kept) < len(here):
                text = b"".join(raw + b"\n" for raw in [*(each.raw for each in kept), *added])
                written = write(self._path, text, os.fstat(folder))
                journal.found(check, (written.st_ino, written.st_mtime_ns))
        self._held_before.clear()
        for field, said in later.items():
            journal.put(field, said, held=field in held)

    def _found(self) -> tuple[Stamp, float]:
        """Return which file there is, and when it was changed."""
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return ABSENT, 0.0
        return (found.st_ino, found.st_mtime_ns), found.st_mtime

    def _lines(self, text: bytes) -> list[_Line]:
        """Return the lines of the file but empty ones; of those that are known it isn't asked again whom they name."""
        of_line = {said.line: field for field, said in self._journal.said[self._check].items() if said.line}
        found = list[_Line]()
        for raw in (raw for _, raw in lines(text) if raw.strip()):
            try:
                line = raw.decode().strip()
            except UnicodeDecodeError:
                line = ""
            field = of_line.get(line)
            if field is None:
                entry = entry_in(line)
                field = field_of(self._check, entry.who) if entry else ""
            found.append(_Line(raw, field, line))
        return found

    def _given(self, here: Sequence[_Line], stamp: Stamp, wall: float) -> dict[str, str]:
        """Return what commands have said, by field: a line, or "" where they have taken it back."""
        known, held = self._journal.said[self._check], self._journal.held
        now_in = dict[str, str]()
        for each in here:
            if each.field:
                now_in.pop(each.field, None)
                now_in[each.field] = each.text
        before = [field for field, said in known.items() if said.line and field not in held]
        still = iter(before)
        given = {
            field: line
            for field, line in now_in.items()
            if line != known.get(field, NOTHING).line or field not in still
        }
        given |= {field: "" for field in before if field not in now_in and counts(known[field].line, wall)}
        if not given and now_in and stamp != self._journal.stamps[self._check]:
            given = dict([now_in.popitem()])
        return given

    def _note(
        self, here: Sequence[_Line], given: Mapping[str, str], now: float, at: float, replaced: dict[str, bytes]
    ) -> None:
        journal, known = self._journal, self._journal.said[self._check]
        for field, line in given.items():
            before = known.get(field)
            said = Said(round(max(at, before.at + _TICK if before else 0.0), 3), self._host, line)
            if before or not is_past(said, now):
                replaced.setdefault(field, dump(before) if before else b"")
                journal.put(field, said)
        if given:
            for each in here:
                if each.field in known:
                    known[each.field] = known.pop(each.field)

    def _taken(self, later: Mapping[str, Said], kept: Sequence[_Line], wall: float) -> tuple[list[bytes], set[str]]:
        """Return the lines that are to be added, and the fields of those that can't be."""
        added, held, told = list[bytes](), set[str](), 0
        room, octets = LINES - len(kept), OCTETS - sum(len(each.raw) + 1 for each in kept)
        for field, (_, by, line) in later.items():
            raw = line.encode()
            try:
                entry = self._read(raw)
                if not (entry and entry.counts(wall)):
                    continue
                why = "" if len(added) < room and len(raw) < octets else f"{self._path} has no room; forget others"
            except Mistake as mistake:
                why = f"{mistake}; {mistake.remedy}"
            if not why:
                added.append(raw)
                octets -= len(raw) + 1
                continue
            held.add(field)
            told += field not in self._held_before
            if field not in self._held_before and told <= _TOLD:
                self._warn(f"{clean(field)}, which {clean(by)} has said, can't count here: {clean(why)}")
        if told > _TOLD:
            self._warn(f"{told - _TOLD} more such entries can't count here")
        return added, held
