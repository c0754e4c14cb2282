"""What the SQLite store remembers of the file: for how long, and how much."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from milter64.store import sqlite_store, sqlite_table
from rig.process import until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, stored


def test_rows_are_read_once_until_others_write(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "_FRESH", 0.0)
    reader, writer = open_store(), open_store()

    def misses() -> int:
        before = reader.happenings()["miss"]
        reader.read("pair")
        reader.read("other pair")
        return reader.happenings()["miss"] - before

    for pair in ("pair", "other pair"):
        writer.merge(pair, {NETWORK: WAITING})
    assert misses() == 2
    until(lambda: not misses(), "all to be written and read")
    writer.merge("pair", {NETWORK: PASSED})
    until(lambda: reader.read("pair") == {NETWORK: PASSED})


def test_what_was_read_this_instant_is_believed_although_others_have_written(
    open_store: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(sqlite_store, "monotonic", lambda: clock.now)
    store, other = open_store(), sqlite_table.Table(path, KIND, lambda _: None, patience=1.0)
    other.merge([("early", {NETWORK: WAITING}), ("late", {NETWORK: WAITING})])
    seen = []
    for clock.now, key in ((0.0, "early"), (0.4, "late"), (0.6, "early"), (0.6, "late"), (1.0, "late")):
        seen.append(store.read(key))
        if clock.now == 0.4:
            other.merge([("early", {NETWORK: PASSED}), ("late", {NETWORK: PASSED})])
    other.close()
    assert [rows == {NETWORK: PASSED} for rows in seen] == [False, False, True, False, True]


def test_the_cache_holds_no_more_octets_than_its_cap(open_store: Open) -> None:
    one = 280 + 6 + 260 + len(NETWORK) + 200  # octets that was read of a pair with one row takes, with its place
    store = open_store(cache=4 * one - 1)
    for number in range(10):
        store.merge(f"pair {number}", {NETWORK: WAITING})
        store.read(f"pair {number}")
    assert 2 * one < store.sizes()["cached"] <= store.caps["cached"]
    misses = store.happenings()["miss"]
    for number in range(9, -1, -1):
        store.read(f"pair {number}")
    assert store.happenings()["miss"] - misses == 7  # 9, 8 and 7 were there


def test_a_pair_with_many_rows_counts_by_them(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milter64.store.sqlite_store._LARGEST", 3200)
    store = open_store(cache=4000)
    for pair in ("few", "many"):
        store.merge(pair, {NETWORK: WAITING})
        store.read(pair)
    small = store.sizes()["cached"]
    for number in range(8):
        store.merge("many", {f"net:{number}": WAITING})
    assert small + 8 * 200 < store.sizes()["cached"] <= 4000
    store.merge("many", {"net:8": WAITING, "net:9": WAITING})
    assert store.sizes()["cached"] < small  # "few" alone is left; "many" is read anew each time
    assert len(store.read("many")) == 11


def test_a_pair_that_is_new_pushes_nobody_out_of_the_cache(open_store: Open) -> None:
    store = open_store()
    store.merge("known", {NETWORK: PASSED})
    store.read("known")
    full = store.sizes()["cached"]
    for number in range(10):
        assert not store.read(f"pair {number}")
        store.merge(f"pair {number}", {NETWORK: WAITING})
    assert store.sizes()["cached"] == full


def test_what_was_read_is_believed_for_a_while(open_store: Open, path: Path) -> None:
    here, there = open_store(), open_store()
    there.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path))
    (waiting,) = stored(path)
    before = time.monotonic()
    assert here.read("pair") == {NETWORK: WAITING}
    there.merge("pair", {NETWORK: PASSED})
    until(lambda: waiting not in stored(path))
    rows = here.read("pair")
    assert rows == {NETWORK: WAITING} or time.monotonic() - before >= 0.5


def test_what_another_store_has_written_is_read_before_a_second_is_over(
    open_store: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(sqlite_store, "monotonic", lambda: clock[0])
    here, there = open_store(), open_store()
    there.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path))
    (waiting,) = stored(path)
    assert here.read("pair") == {NETWORK: WAITING}
    there.merge("pair", {NETWORK: PASSED})
    until(lambda: waiting not in stored(path))
    clock[0] += 0.9 - sqlite_store._BUSY_DELAY  # noqa: SLF001  what is left of a second when a row has been gathered
    assert here.read("pair") == {NETWORK: PASSED}


def test_little_of_the_file_is_kept_for_reading(open_store: Open) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: store.sizes()["rows"] == 1)
    reader = store._reader._file  # noqa: SLF001  nobody else knows of it
    assert reader.do(lambda connection: connection.execute("PRAGMA cache_size").fetchone()) == (-256,)
