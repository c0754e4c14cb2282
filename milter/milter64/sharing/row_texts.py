"""Rows of the greylist as hosts tell them each other: a text of three numbers, by the server's clock.

"0 1795900000123 1795900061456": the generation, when it was first seen, and when it has passed last, nothing while it
waits; in milliseconds.
"""

from collections.abc import Mapping

from milter64.greylist.row import Record

_PER_SECOND = 1000


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
    passed = record.passed_at
    return (
        f"{record.generation} {round((record.first_seen - offset) * _PER_SECOND)}"
        f" {'' if passed is None else round((passed - offset) * _PER_SECOND)}"
    )


def load(text: str, offset: float) -> Record:
    """Read what `dump` wrote, with times `offset` seconds ahead of the server's clock.

    Raises:
        ValueError: it is something else.
    """
    generation, first_seen, passed_at = text.split(" ")
    return Record(
        generation=int(generation),
        first_seen=round(int(first_seen) / _PER_SECOND + offset, 3),
        passed_at=round(int(passed_at) / _PER_SECOND + offset, 3) if passed_at else None,
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
