"""Rows of the greylist as hosts tell them each other: a short text, by the server's clock.

"mx1aaaa0" or "mx1aaaa0 mx1abcd7+1": when it was first seen; when it has passed last, unless it waits; the generation,
unless it is 0. Times are milliseconds since 1970 to the base of 36, always 8 digits, which will do until 2059.
"""

import re
from collections.abc import Mapping

from milter64.greylist.row import Record

_PER_SECOND = 1000
_BASE = 36
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_PAIR, _SQUARE, _LAST = _BASE**2, _BASE**4, _BASE**8 - 1
_TEXT = re.compile(r"([0-9a-z]{8})(?: ([0-9a-z]{8}))?(?:\+([1-9][0-9]{0,8}))?")


def rounded(record: Record) -> Record:
    """Return a row as other hosts will have it, to the millisecond."""
    passed = record.passed_at
    return Record(
        generation=record.generation,
        first_seen=round(record.first_seen, 3),
        passed_at=None if passed is None else round(passed, 3),
    )


def dump(record: Record, offset: float) -> str:
    """Write a row; its times are `offset` seconds ahead of the server's clock."""
    text, passed = _written(record.first_seen - offset), record.passed_at
    if passed is not None:
        text = f"{text} {_written(passed - offset)}"
    return f"{text}+{record.generation}" if record.generation else text


def load(text: str, offset: float) -> Record:
    """Read what `dump` wrote, with times `offset` seconds ahead of the server's clock.

    Raises:
        ValueError: it is something else.
    """
    found = _TEXT.fullmatch(text)
    if not found:
        raise ValueError(f"no row: {text}")
    first_seen, passed_at, generation = found.groups()
    return Record(
        generation=int(generation or 0),
        first_seen=_read(first_seen, offset),
        passed_at=_read(passed_at, offset) if passed_at else None,
    )


def load_all(texts: Mapping[str, str], offset: float) -> dict[str, Record]:
    """Read the rows of a key by group; what is none is left out."""
    rows: dict[str, Record] = {}
    for group, text in texts.items():
        try:
            rows[group] = load(text, offset)
        except ValueError:
            continue
    return rows


def load_hash(reply: list[bytes], offset: float) -> dict[str, Record]:
    """Read what HGETALL answers: groups and rows by turns."""
    words = [word.decode(errors="replace") for word in reply]
    return load_all(dict(zip(words[::2], words[1::2], strict=True)), offset)


def _written(seconds: float) -> str:
    time = min(max(0, round(seconds * _PER_SECOND)), _LAST)
    high, low = time // _SQUARE, time % _SQUARE
    return f"{_PAIRS[high // _PAIR]}{_PAIRS[high % _PAIR]}{_PAIRS[low // _PAIR]}{_PAIRS[low % _PAIR]}"


def _read(text: str, offset: float) -> float:
    return round(int(text, _BASE) / _PER_SECOND + offset, 3)
