"""Our own lines, as `telemetry.log_format` writes them, behind whatever syslog, the journal or a container puts there.

A value may be cut where the line was; what stands behind it then is a stranger's, and none of our fields.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple


class Event(NamedTuple):
    """What a line tells: when, in seconds since 1970, the event's name, and all its fields as they are written."""

    at: float
    name: str
    fields: Mapping[str, str]


_BEFORE = r'(?:<\d+>)?[^=<"{]*?'
"""What others put before a line; RFC 5424 (6.2) has a number in brackets first."""
_LOGFMT = re.compile(rf"{_BEFORE}\b(?=time=\S+ level=[a-z]+ event=)")
_FIELD = re.compile(r'([a-z_0-9]+)=("(?:[^"\\]|\\.)*"|[^ "]\S*|")(?: |\Z)|(.)')
"""A field; else what stands in its place."""
_JSON = re.compile(rf'{_BEFORE}(?=\{{")')
_ESCAPED = re.compile(r"\\(.)")
_CONTAINERS = '{"log":"'
"""How a container's line begins in the file that Docker keeps of it."""


def events(blocks: Iterable[bytes], unread: Callable[[int], object] = lambda _: None) -> Iterator[Event]:
    """Yield what lines tell, out of blocks of whole lines; `unread` is told how many of a block are not ours."""
    for block in blocks:
        others = 0
        for line in block.decode("latin-1").split("\n"):
            if event := _event(line):
                yield event
            elif line:
                others += 1
        if others:
            unread(others)


def _event(line: str) -> Event | None:
    try:
        if line.startswith(_CONTAINERS):
            line = str(json.loads(line)["log"]).rstrip("\n")
        if start := _LOGFMT.match(line):
            return _told(_pairs(line, start.end()))
        if start := _JSON.match(line):
            return _told({name: str(value) for name, value in json.loads(line[start.end() :]).items()})
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass  # a line of somebody else's, or half of one
    return None


def _told(fields: Mapping[str, str]) -> Event:
    return Event(datetime.fromisoformat(fields["time"]).timestamp(), fields["event"], fields)


def _pairs(line: str, start: int) -> dict[str, str]:
    if '"' not in line:  # most have none, and so are no longer than they were written
        return dict([pair.split("=", 1) for pair in line[start:].split(" ")])
    fields = dict[str, str]()
    for name, value, other in _FIELD.findall(line, start):
        if other or value == '"':
            break
        fields[name] = _unquoted(value) if value[0] == '"' else value
    return fields


def _unquoted(value: str) -> str:
    bare = value[1:-1]
    return _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], bare) if "\\" in bare else bare
