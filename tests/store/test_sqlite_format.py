"""The SQLite store when its file was made by an earlier version, a later one, or another program."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rig.process import until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, Warnings, answers, corpses, fill, gone, stored

APPLICATION = 0x6D363467


def change(path: Path, statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


def application(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA application_id").fetchone()[0])


def test_a_new_file_says_whose_it_is(open_store: Open, path: Path) -> None:
    open_store().close()
    assert application(path) == APPLICATION


def test_a_file_from_before_files_said_whose_they_are_is_read_and_signed(
    open_store: Open, path: Path, warnings: Warnings
) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: PASSED})
    store.close()
    change(path, "PRAGMA application_id = 0; ANALYZE")
    store = open_store()
    assert store.read("pair") == {NETWORK: PASSED}
    store.merge("other pair", {NETWORK: WAITING})
    store.close()
    assert application(path) == APPLICATION
    assert {key for key, _ in stored(path)} == {"pair", "other pair"}
    assert not warnings


OTHER_FORMATS = {
    "later": "PRAGMA user_version = 3",
    "later, with other tables": "PRAGMA user_version = 3; ALTER TABLE rows RENAME TO greylist; DROP TABLE totals",
    "later, with other columns": "PRAGMA user_version = 3; ALTER TABLE rows ADD COLUMN more",
    "from before the first release": "PRAGMA application_id = 0; PRAGMA user_version = 1; DROP TABLE totals",
    "without a table that ours have": "ALTER TABLE rows RENAME TO lines",
    "nothing but a number": "PRAGMA application_id = 0; PRAGMA user_version = 77; DROP TABLE rows; DROP TABLE totals",
}


@pytest.mark.parametrize("statements", OTHER_FORMATS.values(), ids=OTHER_FORMATS)
def test_a_file_in_another_versions_format_is_moved_aside_whole(
    statements: str, open_store: Open, path: Path, warnings: Warnings
) -> None:
    fill(open_store, 10)
    change(path, statements)
    before = path.read_bytes()
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path) == {("pair", KIND.dump(WAITING))})
    assert store.read("pair") == {NETWORK: WAITING}
    [aside] = corpses(path, "other")
    assert aside.read_bytes() == before
    [warning] = warnings
    assert warning.startswith(f"{path} is another version's (format ")
    assert warning.endswith(f"ours is 2): moved to {aside}, and a fresh one begun")


FOREIGN = {
    "signed": "PRAGMA application_id = 1; CREATE TABLE theirs (x)",
    "signed, and empty": "PRAGMA application_id = 1",
    "unsigned": "CREATE TABLE theirs (x)",
    "with our version's number": "PRAGMA user_version = 2; CREATE TABLE theirs (x)",
    "with a table of our name": "PRAGMA user_version = 2; CREATE TABLE rows (x); CREATE TABLE totals (x)",
    "with our tables too": "PRAGMA user_version = 2; CREATE TABLE rows (key, grp, row); CREATE TABLE theirs (x)",
    "in WAL mode": "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)",
}


@pytest.mark.parametrize("statements", FOREIGN.values(), ids=FOREIGN)
def test_another_programs_database_is_neither_written_to_nor_moved(
    statements: str, open_store: Open, path: Path, warnings: Warnings
) -> None:
    change(path, statements)
    before = path.read_bytes()
    store = open_store()
    assert gone(store)
    store.merge("pair", {NETWORK: WAITING})
    store.close()
    assert path.read_bytes() == before
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}
    [warning] = warnings
    assert "another program's database, which is left alone: name a file of its own" in warning


def test_the_store_comes_back_when_another_programs_database_makes_way(open_store: Open, path: Path) -> None:
    change(path, FOREIGN["unsigned"])
    store = open_store()
    assert gone(store)
    store.merge("pair", {NETWORK: WAITING})
    path.rename(path.with_name("theirs.sqlite"))
    until(lambda: answers(store))
    until(lambda: stored(path) == {("pair", KIND.dump(WAITING))})
