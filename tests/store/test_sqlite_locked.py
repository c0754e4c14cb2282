"""The SQLite store when somebody holds a lock of it, and doesn't let go."""

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from rig.process import until
from rig.rows import KIND, NETWORK, WAITING, Open, Warnings, answers, fill, gone, stored


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    with Path(f"{path}.lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def whole_database(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def write_lock(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


LOCKS = [(lock_file, "rows.sqlite.lock"), (whole_database, "it"), (write_lock, "it")]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milter64.store.sqlite_store._WRITE_PATIENCE", 0.1)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("lock", "name"), LOCKS, ids=["lock file", "whole database", "write lock"])
def test_a_lock_that_is_held_on_delays_nobody_for_long_and_the_line_says_who_to_look_for(
    lock: Callable[[Path], AbstractContextManager[None]], name: str, open_store: Open, path: Path, warnings: Warnings
) -> None:
    fill(open_store, 1)
    with lock(path):
        store = open_store()
        assert store.latest() in (None, WAITING.first_seen)
        until(lambda: gone(store))
        store.merge("pair", {NETWORK: WAITING})
    until(lambda: answers(store))
    until(lambda: ("pair", KIND.dump(WAITING)) in stored(path))
    [warning] = warnings
    assert warning.endswith(f"{path}: another process has locked {name} (`lslocks` tells which)")


def test_a_lock_file_that_an_earlier_version_made_for_its_group_becomes_its_owners(
    open_store: Open, path: Path
) -> None:
    file = Path(f"{path}.lock")
    file.touch()
    file.chmod(0o640)
    os.chown(file, 65534, 65534)
    assert answers(open_store())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
