"""The SQLite store with a real file, in one process and in several."""

import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store import sqlite_table
from rig.process import Process, until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, fill, stored


def test_rows_outlive_the_store(open_store: Open) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: PASSED})
    store.close()
    assert open_store().read("pair") == {NETWORK: PASSED}


def test_rows_are_written_behind_without_being_asked_to(open_store: Open, path: Path) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path) == {("pair", KIND.dump(WAITING))})


def test_many_rows_are_written_without_being_asked_again(open_store: Open, path: Path) -> None:
    store = open_store()
    for number in range(2500):
        store.merge(f"pair {number}", {NETWORK: WAITING})
    until(lambda: len(stored(path)) == 2500)


def test_rows_that_came_while_the_writer_was_busy_are_written_at_close(open_store: Open, path: Path) -> None:
    store = open_store()
    store.read("pair")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.merge("early", {NETWORK: WAITING})
        until(lambda: len(store._batch))  # noqa: SLF001  nothing else shows that the writer waits for the lock
        store.merge("late", {NETWORK: WAITING})
        closer = Thread(target=store.close)
        closer.start()
        until(store._closing.is_set)  # noqa: SLF001  nor that close has begun
        other.execute("ROLLBACK")
        closer.join()
    assert {key for key, _ in stored(path)} == {"early", "late"}


def test_whoever_writes_makes_it_another_version_and_so_does_another_file(path: Path) -> None:
    reader, writer = (sqlite_table.Table(path, KIND, lambda _: None, patience=1.0) for _ in range(2))
    versions = [reader.version()]
    assert reader.select("pair") == {}
    assert reader.version() == versions[0]
    writer.merge([("pair", {NETWORK: WAITING})])
    versions.append(reader.version())
    writer.close()
    for file in path.parent.glob("rows.sqlite*"):
        file.unlink()
    versions.append(reader.version())
    reader.close()
    assert len(set(versions)) == len(versions)


@pytest.mark.parametrize("umask", [0, 0o077])
def test_files_are_for_their_owner_alone_so_that_nobody_else_can_lock_them(
    umask: int, open_store: Open, path: Path
) -> None:
    before = os.umask(umask)
    try:
        store = open_store()
        store.merge("pair", {NETWORK: WAITING})
        until(lambda: stored(path))
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("rows.sqlite", "rows.sqlite-wal", "rows.sqlite-shm", "rows.sqlite.lock"), 0o600)


def test_files_that_root_makes_belong_to_the_folders_owner(open_store: Open, path: Path) -> None:
    os.chown(path.parent, 65534, 65534)
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path))
    assert {(file.stat().st_uid, file.stat().st_gid) for file in path.parent.iterdir()} == {(65534, 65534)}


def test_a_row_that_cannot_be_understood_is_as_good_as_none(open_store: Open, path: Path) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: PASSED})
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE rows SET row = 'gibberish'")
    store = open_store()
    assert store.read("pair") == {}
    store.merge("pair", {NETWORK: WAITING})
    store.close()
    assert open_store().read("pair") == {NETWORK: WAITING}


def test_a_row_expires_by_the_settings_of_today(open_store: Open) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    store.close()
    store = open_store(kind=RecordKind(Settings(retry_window=5000.0)))
    store.expire(1200.0)
    store.close()
    assert open_store().read("pair") == {NETWORK: WAITING}


def test_beyond_the_cap_the_newest_of_the_waiting_rows_go(open_store: Open, path: Path) -> None:
    store = open_store(max_rows=4)
    store.merge("passed", {NETWORK: PASSED})
    for number in range(5):
        store.merge(f"waits {number}", {NETWORK: Record(generation=0, first_seen=100.0 + number)})
    until(
        lambda: store.sizes()["pending"] == 0 and {key for key, _ in stored(path)} == {"passed", "waits 0", "waits 1"}
    )


def test_more_rows_than_one_chunk_expire_at_once(open_store: Open, path: Path) -> None:
    fill(open_store, 2500)
    store = open_store()
    store.expire(5000.0)
    until(lambda: not stored(path))


def test_the_log_of_what_is_yet_to_be_written_back_has_a_cap(
    open_store: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_table, "_WAL_PAGES", 50)
    store = open_store()
    for number in range(20_000):
        store.merge(f"pair {number}", {NETWORK: WAITING})
    until(lambda: store.sizes()["rows"] == 20_000)
    assert path.with_name(f"{path.name}-wal").stat().st_size < 1_000_000


# Several processes


def test_what_two_processes_write_at_once_is_merged(open_store: Open, path: Path, tmp_path: Path) -> None:
    script = tmp_path / "writer.py"
    script.write_text("""
import sys
from pathlib import Path
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import SqliteStore
store = SqliteStore(Path(sys.argv[1]), RecordKind(Settings()), print)
for step in range(3000):
    first_seen = 1000.0 + step % 7 * int(sys.argv[2])
    record = Record(generation=0, first_seen=first_seen, passed_at=2000.0 + step * int(sys.argv[2]))
    store.merge(f"pair {step % 50}", {"net:shared": record, f"net:{sys.argv[2]}": record})
store.close()
print("written")
""")
    with Process.python(script, path, "1") as one, Process.python(script, path, "2") as other:
        one.expect("written")
        other.expect("written")
        assert (one.output, other.output) == ("written\n", "written\n")
    store = open_store()
    for pair in range(50):
        rows = store.read(f"pair {pair}")
        assert rows["net:shared"] == Record(generation=0, first_seen=1000.0, passed_at=2000.0 + (2950 + pair) * 2)
        assert rows["net:1"].passed_at == 2000.0 + 2950 + pair
        assert rows["net:2"] == rows["net:shared"]


def test_what_another_store_writes_is_seen_soon(open_store: Open) -> None:
    here, there = open_store(), open_store()
    assert here.read("pair") == {}
    there.merge("pair", {NETWORK: WAITING})
    until(lambda: here.read("pair") == {NETWORK: WAITING})


def test_a_read_does_not_wait_for_somebody_who_writes(open_store: Open, path: Path) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM rows")
        store.merge("other pair", {NETWORK: PASSED})
        until(lambda: len(store._batch))  # noqa: SLF001  nothing else shows that the writer waits for the lock
        before = time.monotonic()
        assert store.read("yet another pair") == {}
        assert store.read("pair") == {NETWORK: WAITING}
        assert store.read("other pair") == {NETWORK: PASSED}
        assert time.monotonic() - before < 2.0  # the writer waits for five
        other.execute("ROLLBACK")
    store.close()
    assert open_store().read("other pair") == {NETWORK: PASSED}
