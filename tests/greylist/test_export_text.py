"""The greylist as text: all rows come back as they were, and what is no export is said, with its line."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.export_text import BrokenExportError, dump, load
from milter64.greylist.row import Record

texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), min_size=1, max_size=60).filter(str.isprintable)
times = st.floats(0, 2_000_000_000, allow_nan=False)
records = st.builds(Record, generation=st.integers(0, 10**6), first_seen=times, passed_at=st.none() | times)
ROW = ("<joe@honest.example> <you@example.org>", "net:192.0.2.0/24", Record(generation=0, first_seen=100.5))
LINES = list(dump([ROW, ROW]))


def octets(lines: list[str]) -> list[bytes]:
    return [f"{line}\n".encode() for line in lines]


@given(st.lists(st.tuples(texts, texts, records)))
def test_all_rows_come_back_as_they_were(rows: list[tuple[str, str, Record]]) -> None:
    lines = list(dump(rows))
    assert all(line.isascii() and "\n" not in line for line in lines)
    assert list(load(octets(lines))) == rows


def test_an_export_is_as_the_page_says() -> None:
    row = (
        '{"key": "<joe@honest.example> <you@example.org>", "group": "net:192.0.2.0/24", "generation": 0,'
        ' "first_seen": 100.5, "passed_at": null}'
    )
    assert [
        '{"milter64": "greylist export", "schema": 1}',
        row,
        row,
        '{"rows": 2}',
    ] == LINES


def changed(**fields: object) -> Callable[[list[bytes]], list[bytes]]:
    """Return what puts other fields into the second row."""
    return lambda lines: [*lines[:2], json.dumps({**json.loads(lines[2]), **fields}).encode(), *lines[3:]]


BROKEN: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "empty": (lambda _: [], "ends behind line 0, before the export does: it was cut off"),
    "cut off between lines": (lambda lines: lines[:3], "ends behind line 3, before the export does: it was cut off"),
    "cut off in a line": (lambda lines: [*lines[:2], lines[2][:40]], "line 3: no JSON"),
    "without a line": (lambda lines: [*lines[:2], *lines[3:]], "line 3: 1 rows stand before it, and not 2"),
    "two in one": (lambda lines: [*lines, *lines], "line 5: something follows the end"),
    "another program's": (lambda lines: [b'{"a": 1}\n', *lines], "line 1: no export of `milter64 greylist export`"),
    "no object": (lambda lines: [b"[1]\n", *lines], "line 1: no export"),
    "another version's": (
        lambda lines: [b'{"milter64": "greylist export", "schema": 2}\n', *lines[1:]],
        "line 1: written by another version: its schema is 2, and ours is 1",
    ),
    "a database": (lambda _: [b"SQLite format 3\0\x10\xff"], "line 1: no JSON"),
    "a line without end": (lambda lines: [*lines[:2], b'{"key": "' + b"x" * 20_000], "line 3: longer than 16384 bytes"),
    "lists in lists": (lambda lines: [*lines[:2], b"[" * 16_000], "line 3: no JSON"),
    "a list": (lambda lines: [*lines[:2], b"[]", *lines[3:]], "line 3: no row: its fields must be key, group"),
    "a field too many": (changed(more=1), "line 3: no row"),
    "no key": (changed(key=""), "line 3: no key"),
    "a number as key": (changed(key=1), "line 3: no key"),
    "an endless key": (changed(key="x" * 1001), "line 3: no key"),
    "half a pair of surrogates": (changed(key="\ud800"), "line 3: no key"),
    "an escape sequence": (changed(group="net:\x1b[31m"), "line 3: no group"),
    "a generation below none": (changed(generation=-1), "line 3: no generation"),
    "a generation that nobody reaches": (changed(generation=10**9), "line 3: no generation"),
    "a generation that is none": (changed(generation=True), "line 3: no generation"),
    "half a generation": (changed(generation=0.5), "line 3: no generation"),
    "no time": (changed(first_seen=None), "line 3: first_seen must be seconds since 1970"),
    "no number": (changed(first_seen=float("nan")), "line 3: first_seen must be"),
    "a time before all": (changed(first_seen=-1), "line 3: first_seen must be"),
    "a time after all": (changed(passed_at=1e300), "line 3: passed_at must be seconds since 1970, or null"),
    "a time without end": (changed(passed_at=float("inf")), "line 3: passed_at must be"),
    "a time as text": (changed(passed_at="1"), "line 3: passed_at must be"),
    "digits without end": (lambda lines: [*lines[:2], b'{"rows": ' + b"9" * 5000 + b"}"], "line 3: "),
}


@pytest.mark.parametrize(("breaking", "said"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_export_is_said_with_its_line(breaking: Callable[[list[bytes]], list[bytes]], said: str) -> None:
    with pytest.raises(BrokenExportError) as caught:
        list(load(breaking(octets(LINES))))
    assert said in str(caught.value)


@given(st.lists(st.binary(max_size=40)), st.integers(0, 3))
def test_nothing_else_is_raised_whatever_it_is(others: list[bytes], after: int) -> None:
    with pytest.raises(BrokenExportError):
        list(load([*octets(LINES)[:after], *others]))
