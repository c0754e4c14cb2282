"""The SQLite store's file as somebody reads it beside the workers: nothing is changed, and nobody waits."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from milter64.greylist.row import Record
from milter64.store.interface import StoreForbidden, StoreGone, StoreMissing
from milter64.store.sqlite_reader import Reader
from rig.process import until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, damage, fill, stored

Files = dict[str, tuple[int, int, bytes]]


def files(path: Path) -> Files:
    """Return all that is in a file's folder, and when it was written."""
    found = {}
    for file in path.parent.iterdir():
        status = file.stat()
        found[file.name] = status.st_ino, status.st_mtime_ns, file.read_bytes()
    return found


def change(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


@pytest.fixture
def rows(path: Path) -> Callable[[], list[Any]]:
    """Read all rows, with nothing changed in the folder."""

    def rows() -> list[Any]:
        before = files(path)
        with closing(Reader(path, KIND)) as reader:
            found = list(reader.everything())
        assert files(path) == before
        return found

    return rows


def test_a_file_at_rest_is_read_whole_in_the_order_of_its_writing(
    open_store: Open, rows: Callable[[], list[Any]]
) -> None:
    fill(open_store, 2500)
    assert rows() == [(f"pair {number}", NETWORK, WAITING) for number in range(2500)]


def test_what_a_worker_has_just_written_is_read_from_beside_the_file(open_store: Open, path: Path) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: PASSED})
    until(lambda: stored(path))
    with closing(Reader(path, KIND)) as reader:
        assert list(reader.everything()) == [("pair", NETWORK, PASSED)]
        assert reader.read("pair") == {NETWORK: PASSED}
        assert reader.read("other") == {}
        assert reader.latest() == 160.0
    assert (path.parent / f"{path.name}-wal").stat().st_size


def test_a_worker_goes_on_writing_and_the_wal_file_is_written_back_while_somebody_is_in_the_middle(
    open_store: Open, path: Path
) -> None:
    fill(open_store, 2500)
    store = open_store()
    store.merge("begun", {NETWORK: WAITING})
    until(lambda: len(stored(path)) == 2501)
    with closing(Reader(path, KIND)) as reader:
        chunks = reader.chunks()
        next(chunks)
        store.merge("meanwhile", {NETWORK: WAITING})
        until(lambda: len(stored(path)) == 2502)
        with closing(sqlite3.connect(path)) as other:
            busy, pages, written_back = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, pages, written_back) == (0, 0, 0)
        assert [key for chunk in chunks for key, _, _ in chunk][-1] == "meanwhile"


def test_a_file_that_is_begun_to_be_written_while_it_is_read_at_rest_is_read_anew(
    open_store: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_store, 10)
    opened = Reader._opened  # noqa: SLF001  where somebody else comes in between
    hows = []

    def and_written(self: Reader[Record], how: str) -> sqlite3.Connection:
        hows.append(how)
        if len(hows) == 2:
            store = open_store()
            store.merge("late", {NETWORK: PASSED})
            until(lambda: len(stored(path)) == 11)
        return opened(self, how)

    monkeypatch.setattr(Reader, "_opened", and_written)
    with closing(Reader(path, KIND)) as reader:
        assert reader.read("late") == {NETWORK: PASSED}
    assert hows == ["immutable=1", "immutable=1", "mode=ro"]


def test_a_file_that_nobody_has_made_yet_is_missing_and_is_not_made(path: Path) -> None:
    with pytest.raises(StoreMissing, match=f"{path} isn't there; the service makes it when it is started"):
        Reader(path, KIND)
    path.touch()
    with pytest.raises(StoreMissing):
        Reader(path, KIND)
    assert files(path).keys() == {path.name}
    assert path.stat().st_size == 0


@pytest.mark.parametrize(
    ("damaging", "said"),
    [
        (damage, "is corrupt .*the service moves it aside, and begins a fresh one"),
        (lambda path: path.write_bytes(b"no database" * 1000), "is corrupt"),
        (lambda path: change(path, "PRAGMA user_version = 3"), r"is another version's \(format 3, ours is 2\)"),
        (lambda path: change(path, "PRAGMA application_id = 7"), "another program's database"),
    ],
    ids=["corrupt", "no database", "another version's", "another program's"],
)
def test_a_file_of_no_use_is_told_of_and_left_where_it_is(
    damaging: Callable[[Path], None], said: str, open_store: Open, path: Path
) -> None:
    fill(open_store)
    damaging(path)
    before = files(path)
    with pytest.raises(StoreGone, match=said), closing(Reader(path, KIND)) as reader:
        list(reader.everything())
    assert files(path) == before


def test_who_has_no_rights_is_told_so(open_store: Open, path: Path) -> None:
    fill(open_store, 10)
    path.parent.chmod(0o711)
    os.seteuid(65534)
    try:
        with pytest.raises(StoreForbidden, match=f"the user nobody may not read {path}; try it as root"):
            Reader(path, KIND)
    finally:
        os.seteuid(0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_row_that_is_none_is_left_out(open_store: Open, path: Path) -> None:
    fill(open_store, 2)
    change(path, "UPDATE rows SET row = 'x' WHERE key = 'pair 0'")
    with closing(Reader(path, KIND)) as reader:
        assert list(reader.everything()) == [("pair 1", NETWORK, WAITING)]
        assert reader.read("pair 0") == {}


def test_what_a_service_that_was_killed_had_written_is_read_and_left_for_the_next_one(
    open_store: Open, path: Path, tmp_path: Path
) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: PASSED})
    until(lambda: stored(path))
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        (killed / name).write_bytes((path.parent / name).read_bytes())
    before = files(killed / path.name)
    with closing(Reader(killed / path.name, KIND)) as reader:
        assert reader.read("pair") == {NETWORK: PASSED}
    after = files(killed / path.name)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() <= {f"{path.name}-shm"}  # SQLite's own, in which connections meet
