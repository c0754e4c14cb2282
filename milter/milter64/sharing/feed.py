"""The feed: a stream on the server in which each host reads what the others have learned, entry by entry.

h   which host has written it: what is our own we know
b   a batch of rows, by key and group, as JSON, compressed
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from milter64.greylist.row import Record
from milter64.sharing import row_texts
from milter64.sharing.interface import Command, Reply
from milter64.sharing.keys import FEED

LENGTH = 5000
"""Entries that the stream keeps, about: those of some minutes. Who has missed some loads everything."""
_AT_ONCE = 50
_LARGEST = 4 * 2**20
"""Octets of a batch that is read; ours are far smaller."""


class Position(NamedTuple):
    """An entry's place in the stream: the server's time in milliseconds, and a number."""

    milliseconds: int
    number: int

    @property
    def text(self) -> str:
        """As the server writes it."""
        return f"{self.milliseconds}-{self.number}"


class Entry(NamedTuple):
    """An entry: where it is, whose, and the rows by key and group."""

    position: Position
    host: str
    rows: Mapping[str, Mapping[str, Record]]


def packed(entries: Iterable[tuple[str, Mapping[str, Record]]], offset: float) -> bytes:
    """Return a batch of rows by key and group; `offset` as `row_texts.dump` has it."""
    texts = {key: {group: row_texts.dump(row, offset) for group, row in rows.items()} for key, rows in entries}
    return zlib.compress(json.dumps(texts, separators=(",", ":")).encode(), 1)


def unpacked(batch: bytes, offset: float) -> Mapping[str, Mapping[str, Record]]:
    """Return the rows of a batch by key and group; what is none has no rows."""
    try:
        texts = json.loads(zlib.decompressobj().decompress(batch, _LARGEST))
        for key, of_key in texts.items():
            "".join((key, *of_key)).encode()  # what is no text could not be sent on, nor anything with it
        return {key: row_texts.load_all(of_key, offset) for key, of_key in texts.items()}
    except (ValueError, zlib.error, AttributeError, TypeError, RecursionError):
        return {}


def telling(host: str, batch: bytes) -> Command:
    """Return the command that tells a batch to all hosts."""
    return ["XADD", FEED, "MAXLEN", "~", LENGTH, "*", "h", host, "b", batch]


def after(position: Position) -> Command:
    """Return the command that reads the next entries."""
    return ["XREAD", "COUNT", _AT_ONCE, "STREAMS", FEED, position.text]


LAST: Command = ["XREVRANGE", FEED, "+", "-", "COUNT", 1]
LENGTH_OF: Command = ["XLEN", FEED]
FIRST: Command = ["XRANGE", FEED, "-", "+", "COUNT", 1]


def position(reply: Reply) -> Position | None:
    """Return the place of the entry that LAST or FIRST has found, None if there is none."""
    return _position(reply[0][0]) if reply else None


def is_full(reply: Reply) -> bool:
    """Whether there may be more entries than `after` has got."""
    return bool(reply) and len(reply[0][1]) >= _AT_ONCE


def entries(reply: Reply, offset: float) -> Iterator[Entry]:
    """Yield what `after` has got; of an entry that is none of ours nothing but where it is."""
    for place, fields in reply[0][1] if reply else ():
        words: dict[bytes, bytes] = dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {}
        host = words.get(b"h", b"").decode(errors="replace")
        yield Entry(_position(place), host, unpacked(words.get(b"b", b""), offset))


def _position(text: bytes) -> Position:
    milliseconds, _, number = text.partition(b"-")
    return Position(int(milliseconds), int(number))
