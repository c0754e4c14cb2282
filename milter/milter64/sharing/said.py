"""What hosts tell each other of an entry by command: its line, when that was said, and by whom; the latest word counts.

Each is a field of the hash LISTS, named by the list and whom the entry names, as "allow @partner.example".
"""

import json
from typing import NamedTuple

from milter64.address.networks import unpack
from milter64.lists.entry import LONGEST, Entry, read_line
from milter64.lists.mistakes import Mistake, NoMistakes
from milter64.lists.who import Who

_KEPT = 40 * 86400.0
"""Seconds for which it is known that an entry was taken back or has run out, for a host that was away for as long."""
_AHEAD = 600.0
"""Seconds that something may have been said in the future: clocks are up to 300 s apart."""
_NAME = 255
"""Characters of a host's name."""
_ALL = NoMistakes()

as_json = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps makes an encoder each time


class Said(NamedTuple):
    """What was said, `at` seconds since 1970 by the server's clock; `line` is "" where the entry was taken back.

    Of two the greater one counts, on all hosts.
    """

    at: float
    by: str
    line: str


NOTHING = Said(-1.0, "", "")
"""What was said before anything."""


def field_of(check: str, who: Who) -> str:
    """Return the name of an entry in a list."""
    packed = who.key[2:]
    shown = f"{unpack(packed)}/{who.shape[1]}".encode() if who.kind == "network" else who.key
    return f"{check} {shown.decode(errors='backslashreplace')}"


def entry_in(line: str) -> Entry | None:
    """Return the entry in a line of either list, None where there is none that can be read."""
    try:
        return read_line(line.encode(), _ALL, blocks=False)
    except Mistake:
        return None


def counts(line: str, now: float) -> bool:
    """Whether there is an entry in a line that has not run out; one that can't be read may be a newer build's."""
    entry = entry_in(line)
    return bool(line) and (not entry or entry.counts(now))


def is_past(said: Said, now: float) -> bool:
    """Whether an entry was taken back, or has run out, so long ago that nobody need know any more."""
    if said.at + _KEPT >= now:  # most are read no further: there may be a hundred thousand
        return False
    entry = entry_in(said.line)
    ended = entry.until if entry else None if said.line else said.at
    return ended is not None and ended + _KEPT < now


def dump(said: Said) -> bytes:
    """Return the value of a field."""
    return as_json({"line": said.line, "at": said.at, "by": said.by}).encode()


def read(field: str, value: bytes, now: float) -> Said | None:
    """Return what is said in a field, None where that is nothing which a milter64 says; `now` is the server's time."""
    try:
        told = json.loads(value)
        at, by, line = told["at"], told["by"], told["line"]
        if not (isinstance(by, str) and isinstance(line, str) and type(at) in {int, float} and 0 <= at <= now + _AHEAD):
            return None
        if len(by) > _NAME or len(line.encode()) > LONGEST or line != line.strip():
            return None
        by.encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    check, _, _ = field.partition(" ")
    entry = entry_in(line)
    if (entry and field_of(check, entry.who) != field) or line.startswith("#"):
        return None
    return Said(float(at), by, line)
