"""The greylist as text, a row in a line: what moves it between stores and hosts.

    {"milter64": "greylist export", "schema": 1}
    {"key": "<joe@honest.example> <you@example.org>", "group": "net:192.0.2.0/24", "generation": 0,
     "first_seen": 1795900000.0, "passed_at": null}
    {"rows": 1}

The last line says how many there are, so that a file that was cut off is known by it.
"""

import json
from collections.abc import Iterable, Iterator
from math import isfinite

from milter64.greylist.row import Record

SCHEMA = 1
_TITLE = "greylist export"
LONGEST_LINE = 16_384
"""Octets."""
_LONGEST_KEY, _LONGEST_GROUP = 1000, 1000
_MOST_GENERATIONS = 10**9
_LATEST = 2_800_000_000.0
"""In 2058: what hosts tell each other ends a year later."""
_FIELDS = ("key", "group", "generation", "first_seen", "passed_at")

Row = tuple[str, str, Record]
"""Key, group and record."""


class BrokenExportError(ValueError):
    """A line that is none of an export; the text says which and why."""


def dump(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of an export."""
    yield json.dumps({"milter64": _TITLE, "schema": SCHEMA})
    number = 0
    for number, (key, group, row) in enumerate(rows, start=1):  # noqa: B007  how many there were
        fields = (key, group, row.generation, row.first_seen, row.passed_at)
        yield json.dumps(dict(zip(_FIELDS, fields, strict=True)))
    yield json.dumps({"rows": number})


def load(lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield the rows of an export.

    Raises:
        BrokenExportError: it is none, or not whole; rows may have been yielded before that is known.
    """
    number, ended = 0, False
    for number, line in enumerate(lines, start=1):
        if ended:
            raise BrokenExportError(f"line {number}: something follows the end")
        try:
            _expect(len(line) <= LONGEST_LINE, f"longer than {LONGEST_LINE} bytes")
            read = json.loads(line)
            if number == 1:
                _expect_title(read)
            elif isinstance(read, dict) and read.keys() == {"rows"}:
                _expect(read["rows"] == number - 2, f"{number - 2} rows stand before it, and not {read['rows']}")
                ended = True
            else:
                yield _row(read)
        except (ValueError, RecursionError) as error:
            raise BrokenExportError(f"line {number}: {_why(error)}") from None
    if not ended:
        raise BrokenExportError(f"it ends behind line {number}, before the export does: it was cut off")


def _why(error: Exception) -> str:
    return "no JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError) else str(error)


def _expect(met: object, otherwise: str) -> None:
    if not met:
        raise ValueError(otherwise)


def _expect_title(read: object) -> None:
    _expect(isinstance(read, dict) and read.get("milter64") == _TITLE, "no export of `milter64 greylist export`")
    schema = read.get("schema") if isinstance(read, dict) else None
    _expect(schema == SCHEMA, f"written by another version: its schema is {schema!r:.20}, and ours is {SCHEMA}")


def _row(read: object) -> Row:
    if not isinstance(read, dict) or read.keys() != set(_FIELDS):
        raise ValueError(f"no row: its fields must be {', '.join(_FIELDS)}")
    key, group, generation, first_seen, passed_at = (read[name] for name in _FIELDS)
    _expect(_is_text(key, _LONGEST_KEY), "no key: it must be a text, and not too long")
    _expect(_is_text(group, _LONGEST_GROUP), "no group: it must be a text, and not too long")
    _expect(type(generation) is int and 0 <= generation < _MOST_GENERATIONS, "no generation: it must be a number")
    _expect(_is_time(first_seen), "first_seen must be seconds since 1970")
    _expect(passed_at is None or _is_time(passed_at), "passed_at must be seconds since 1970, or null")
    passed = None if passed_at is None else float(passed_at)
    return key, group, Record(generation=generation, first_seen=float(first_seen), passed_at=passed)


def _is_text(value: object, longest: int) -> bool:
    """Whether something is a text that a store can keep: printable, and no half of a pair of surrogates."""
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()


def _is_time(value: object) -> bool:
    return type(value) in {int, float} and isfinite(value) and 0 <= value <= _LATEST  # type: ignore[operator,arg-type]
