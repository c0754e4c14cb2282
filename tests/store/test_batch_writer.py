"""Rows that can't be written, and those that are written beside them."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.row import Record
from milter64.store.batch_writer import write
from milter64.store.interface import StoreGone, StoreUnusable
from rig.process import until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, Warnings, fill, stored

ROWS = {NETWORK: WAITING}
Entry = tuple[str, Mapping[str, Record]]


class File:
    """What a batch is written to; `errors` are raised where a transaction has one of their keys."""

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        self.errors = errors
        self.written: list[str] = []
        self.tries = 0

    def __call__(self, entries: list[Entry]) -> int:
        self.tries += 1
        for key, _ in entries:
            if error := self.errors.get(key):
                raise error
        self.written += [key for key, _ in entries]
        return 0


def numbered(count: int) -> list[Entry]:
    return [(f"{number}", ROWS) for number in range(count)]


@given(count=st.integers(1, 3000), bad=st.dictionaries(st.integers(0, 2999), st.booleans(), max_size=3))
def test_every_row_is_written_once_but_those_that_cannot_be(count: int, bad: dict[int, bool]) -> None:
    errors = {f"{number}": StoreGone("no page") if gone else ValueError("no row") for number, gone in bad.items()}
    file = File(errors)
    outcome = write(numbered(count), file)
    keys = [key for key, _ in numbered(count)]
    assert file.written == [key for key in keys if key not in errors]
    assert sorted(key for key, _ in outcome.unwritten) == sorted(
        key for key in keys if isinstance(errors.get(key), StoreGone)
    )
    assert len(outcome.lost) == sum(isinstance(errors.get(key), ValueError) for key in keys)
    assert bool(outcome.why) == bool(outcome.unwritten)


def test_where_not_even_nothing_can_be_written_the_rows_are_not_tried_one_by_one() -> None:
    tries = []

    def gone(entries: list[Entry]) -> int:
        tries.append(len(entries))
        raise StoreGone("full")

    with pytest.raises(StoreGone, match="full"):
        write(numbered(1000), gone)
    assert tries == [1000, 0]


def test_a_full_disk_or_a_lock_is_never_put_down_to_a_row() -> None:
    file = File({"7": StoreUnusable("full")})
    with pytest.raises(StoreUnusable, match="full"):
        write(numbered(10), file)
    assert file.tries == 1


def test_where_too_many_rows_cannot_be_written_it_is_the_file_that_cannot() -> None:
    file = File({key: StoreGone("full") for key, _ in numbered(100_000)})
    with pytest.raises(StoreGone, match="full"):
        write(numbered(100_000), file)
    assert file.tries < 100


def test_rows_that_are_bad_for_good_never_make_it_the_file(open_store: Open, path: Path, warnings: Warnings) -> None:
    """However many they are: strangers may have made them."""
    store = open_store()
    store.read("pair")
    for number in range(500):
        store.merge(f"bad {number}", {NETWORK: Record(generation=0, first_seen=float("nan"))})
        store.merge(f"good {number}", ROWS)
    store.close()
    assert {key for key, _ in stored(path)} == {f"good {number}" for number in range(500)}
    assert store.happenings()["lost"] == 500
    assert all("IntegrityError: NOT NULL constraint failed: rows.expires" in warning for warning in warnings)


@pytest.fixture
def unwritable(path: Path, open_store: Open) -> Callable[[str], None]:
    """Has the file refuse a key as it would with an error of the disk, until it is called with another."""
    fill(open_store, 1)

    def refuse(key: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("DROP TRIGGER IF EXISTS refuse")
            connection.execute(
                f"CREATE TRIGGER refuse BEFORE INSERT ON rows WHEN NEW.key = '{key}' BEGIN SELECT json('{{'); END"
            )

    return refuse


def test_a_row_that_the_file_refuses_blocks_no_other_and_is_tried_again(
    open_store: Open, path: Path, warnings: Warnings, unwritable: Callable[[str], None]
) -> None:
    unwritable("bad")
    store = open_store()
    store.merge("bad", ROWS)
    for number in range(200):
        store.merge(f"pair {number}", ROWS)
    until(lambda: {f"pair {number}" for number in range(200)} <= {key for key, _ in stored(path)})
    assert store.read("bad") == ROWS
    assert not store.gone
    store.merge("late", {NETWORK: PASSED})
    until(lambda: ("late", KIND.dump(PASSED)) in stored(path))
    assert len(warnings) == len(warnings.about("the store can't write some rows, and tries them again")) == 1
    unwritable("none")
    until(lambda: ("bad", KIND.dump(WAITING)) in stored(path))
    assert len(warnings) == 1
