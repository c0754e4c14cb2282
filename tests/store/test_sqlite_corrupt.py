"""The SQLite store when its file is corrupt, or another one than before."""

import fcntl
import sqlite3
from pathlib import Path

import pytest

from milter64.store import sqlite_table
from milter64.store.sqlite_table import Table
from rig.process import Process, until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, Warnings, corpses, damage, fill, stored


def test_a_file_that_is_no_database_is_moved_aside_and_the_next_row_is_kept(
    open_store: Open, path: Path, warnings: Warnings
) -> None:
    path.write_bytes(b"no database" * 1000)
    store = open_store()
    assert store.read("pair") == {}
    store.merge("pair", {NETWORK: WAITING})
    store.close()
    assert open_store().read("pair") == {NETWORK: WAITING}
    [aside] = corpses(path)
    assert aside.read_bytes() == b"no database" * 1000
    assert warnings == [f"{path} is corrupt (file is not a database): moved to {aside}, and a fresh one begun"]


@pytest.mark.parametrize("first", ["read", "merge"])
def test_damage_that_is_found_later_is_mended_by_whoever_finds_it(
    first: str, open_store: Open, path: Path, warnings: Warnings
) -> None:
    fill(open_store)
    damage(path)
    store = open_store()
    if first == "read":
        assert store.read("pair 7") == {}
    store.merge("pair 7", {NETWORK: PASSED})
    until(lambda: corpses(path))
    assert until(lambda: store.read("pair 7")) == {NETWORK: PASSED}
    store.close()
    assert stored(path) == {("pair 7", KIND.dump(PASSED))}
    assert len(warnings) == len(warnings.about("is corrupt")) == 1


def test_of_several_processes_one_alone_moves_a_corrupt_file_aside(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text("""
import sys
from pathlib import Path
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import SqliteStore
while not Path(sys.argv[1]).parent.joinpath("go").exists():
    pass
store = SqliteStore(Path(sys.argv[1]), RecordKind(Settings()), print)
store.read("pair")
store.merge(sys.argv[2], {"net:shared": Record(generation=0, first_seen=1000.0)})
store.close()
print("closed")
""")
    for attempt in range(3):
        (tmp_path / "go").unlink(missing_ok=True)
        path.write_bytes(b"no database" * 1000)
        with (
            Process.python(script, path, "1") as one,
            Process.python(script, path, "2") as two,
            Process.python(script, path, "3") as three,
        ):
            (tmp_path / "go").touch()
            workers = (one, two, three)
            for worker in workers:
                worker.expect("closed")
            assert sum(worker.output.count("is corrupt") for worker in workers) == 1, attempt
            assert {key for key, _ in stored(path)} == {"1", "2", "3"}


def test_whoever_comes_late_to_move_a_corrupt_file_leaves_the_fresh_one_alone(
    path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"no database" * 1000)
    late, early = (Table(path, KIND, warnings.append, patience=1.0) for _ in range(2))
    move_aside = late._file._move_aside  # noqa: SLF001  another process must get in right before it

    def overtaken(word: str, trouble: str) -> None:
        early.merge([("pair", {NETWORK: WAITING})])
        move_aside(word, trouble)

    monkeypatch.setattr(late._file, "_move_aside", overtaken)  # noqa: SLF001  as above
    assert late.select("pair") == {NETWORK: WAITING}
    assert len(corpses(path)) == len(warnings) == 1
    late.close()
    early.close()


def test_who_believes_the_name_for_long_follows_at_once_when_the_file_proves_corrupt(
    open_store: Open, path: Path, warnings: Warnings
) -> None:
    fill(open_store)
    late = Table(path, KIND, warnings.append, patience=1.0, trust=1e9)
    early = Table(path, KIND, warnings.append, patience=1.0)
    assert [late.totals()[0] for _ in range(2)] == [2000, 2000]  # it opens the file, and looks at its name
    damage(path)
    early.merge([("pair 7", {NETWORK: PASSED})])
    assert late.select("pair 900") == {}
    assert late.select("pair 7") == {NETWORK: PASSED}
    assert len(corpses(path)) == len(warnings) == 1
    late.close()
    early.close()


def test_nobody_opens_or_moves_the_file_while_somebody_else_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"no database" * 1000)
    locked = []

    def look(_: object) -> None:
        with Path(f"{path}.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                locked.append(True)
            else:
                locked.append(False)

    def prepare(connection: sqlite3.Connection, *, pages: int) -> None:
        look(connection)
        actual(connection, pages)

    actual = sqlite_table._prepare  # noqa: SLF001  it runs while the file is being opened
    monkeypatch.setattr(sqlite_table, "_prepare", prepare)
    store = Table(path, KIND, look, patience=1.0)
    store.select("pair")
    store.close()
    assert locked == [True, True, True, True]  # opening, opening again, moving, opening


def test_a_sound_file_that_looks_corrupt_once_stays(
    open_store: Open, path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(open_store, 10)
    errors = [sqlite3.DatabaseError("database disk image is malformed")]
    errors[0].sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    def prepare(connection: sqlite3.Connection, *, pages: int) -> None:
        if errors:
            raise errors.pop()
        actual(connection, pages)

    actual = sqlite_table._prepare  # noqa: SLF001  it is the first to see the file
    monkeypatch.setattr(sqlite_table, "_prepare", prepare)
    store = Table(path, KIND, warnings.append, patience=1.0)
    assert store.select("pair 7") == {NETWORK: WAITING}
    store.close()
    assert not errors
    assert not corpses(path)
    assert not warnings


def test_the_others_follow_to_the_fresh_file(open_store: Open, path: Path, warnings: Warnings) -> None:
    fill(open_store)
    bystander = open_store()
    assert bystander.read("pair 7") == {NETWORK: WAITING}
    damage(path)
    finder = open_store()
    finder.merge("pair 7", {NETWORK: PASSED})
    [aside] = until(lambda: corpses(path))
    assert Path(f"{aside}-wal").exists()  # the bystander still has it open
    until(lambda: bystander.read("pair 7") == {NETWORK: PASSED})
    bystander.merge("bystander's", {NETWORK: WAITING})
    until(lambda: finder.read("bystander's") == {NETWORK: WAITING})
    assert len(warnings) == 1


def test_a_file_that_somebody_has_deleted_is_begun_afresh(open_store: Open, path: Path, warnings: Warnings) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path))
    for file in path.parent.glob("rows.sqlite*"):
        file.unlink()
    store.merge("other pair", {NETWORK: WAITING})
    until(lambda: path.exists() and stored(path) == {("other pair", KIND.dump(WAITING))})
    assert not warnings
