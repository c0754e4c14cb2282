"""The SQLite store when its file can't be used: a full disk, a read-only one, no folder."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from milter64.store.interface import StoreGone
from rig.lab import Lab
from rig.process import Process, until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, Warnings, answers, gone, stored


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder):
        yield folder


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def test_on_a_full_disk_the_store_is_gone_and_nothing_is_lost(open_store: Open, disk: Path, warnings: Warnings) -> None:
    store = open_store(disk / "rows.sqlite")
    store.merge("before", {NETWORK: WAITING})
    until(lambda: stored(disk / "rows.sqlite"))
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    for number in range(1500):
        store.merge(f"pair {number}", {NETWORK: WAITING})
    until(lambda: gone(store))
    before = time.monotonic()
    with pytest.raises(StoreGone, match="full"):
        store.read("before")
    assert time.monotonic() - before < 0.5
    store.merge("during", {NETWORK: PASSED})
    ballast.unlink()
    until(lambda: answers(store))
    store.close()
    kept = {key for key, _ in stored(disk / "rows.sqlite")}
    assert kept == {"before", "during", *(f"pair {number}" for number in range(1500))}
    assert len(warnings) == len(warnings.about("the store can't be used, and nobody is greylisted until it can")) == 1
    assert warnings[0].endswith("disk is full; make room for it")


def test_in_a_read_only_folder_the_store_is_gone_until_it_can_be_written(
    open_store: Open, disk: Path, warnings: Warnings
) -> None:
    remount(disk, "ro")
    store = open_store(disk / "rows.sqlite")
    until(lambda: gone(store))
    assert store.latest() is None
    store.merge("pair", {NETWORK: WAITING})
    remount(disk, "rw")
    until(lambda: answers(store))
    assert store.read("pair") == {NETWORK: WAITING}
    assert len(warnings) == len(warnings.about("Read-only file system")) == 1


def test_a_missing_folder_is_used_as_soon_as_it_is_there(open_store: Open, tmp_path: Path, warnings: Warnings) -> None:
    store = open_store(tmp_path / "folder" / "rows.sqlite")
    assert gone(store)
    store.merge("pair", {NETWORK: WAITING})
    (tmp_path / "folder").mkdir()
    until(lambda: answers(store))
    store.close()
    assert stored(tmp_path / "folder" / "rows.sqlite") == {("pair", KIND.dump(WAITING))}
    said, why = warnings[0].split(": ")
    assert (len(warnings), said) == (1, "there is no store yet, and nobody is greylisted until there is")
    assert why == f"no folder {tmp_path}/folder; run `install -d -o root {tmp_path}/folder`"


def test_trouble_shows_at_start_though_nobody_reads_or_writes(
    open_store: Open, tmp_path: Path, warnings: Warnings
) -> None:
    open_store(tmp_path / "folder" / "rows.sqlite")
    until(lambda: warnings.about("there is no store yet"))


def test_each_outage_is_told_of_once(open_store: Open, tmp_path: Path, warnings: Warnings) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    store = open_store(folder / "rows.sqlite")
    said = ("there is no store yet", "the store is gone, and nobody is greylisted until it is back")
    for outages, words in enumerate(said, 1):
        until(lambda: gone(store))
        folder.mkdir() if outages == 1 else elsewhere.rename(folder)
        until(lambda: answers(store))
        assert len(warnings) == outages
        assert warnings[-1].startswith(words)
        folder.rename(elsewhere)
        store.merge("pair", {NETWORK: WAITING})


def test_an_outage_is_told_of_once_however_often_the_file_is_tried(
    open_store: Open, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def refuse(path: Path) -> None:
        tries.append(path)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("milter64.store.sqlite_store._RETRY", 0.01)
    monkeypatch.setattr("milter64.store.sqlite_file._create", refuse)
    open_store()
    until(lambda: len(tries) > 3)
    assert len(warnings) == len(warnings.about("Permission denied")) == 1


def test_rows_that_wait_for_a_store_have_a_cap(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("milter64.store.sqlite_store._MAX_PENDING", 2)
    path = tmp_path / "folder" / "rows.sqlite"
    store = open_store(path)
    until(lambda: gone(store))
    for number in range(5):
        store.merge(f"pair {number}", {NETWORK: WAITING})
    path.parent.mkdir()
    until(lambda: answers(store))
    store.close()
    assert {key for key, _ in stored(path)} == {"pair 0", "pair 1"}


def test_the_writer_survives_a_row_that_breaks_it(open_store: Open, path: Path, warnings: Warnings) -> None:
    store = open_store()
    store.merge("\udcff", {NETWORK: WAITING})
    until(lambda: warnings.about("the store has lost rows"))
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path) == {("pair", KIND.dump(WAITING))})


SERVICE = """
import sys, time
from milter64.store.sqlite_store import SqliteStore
from milter64.greylist.row import RecordKind
from milter64.greylist.settings import Settings
from milter64.store.interface import StoreGone
from pathlib import Path
store = SqliteStore(Path(sys.argv[1]), RecordKind(Settings()), lambda trouble: print(trouble, flush=True))
while True:
    try:
        store.read("any")
        break
    except StoreGone:
        time.sleep(0.02)
print("answers", flush=True)
"""


@pytest.mark.parametrize("closed", ["folder", "file", "lock"])
def test_for_want_of_rights_the_store_is_not_used_until_the_remedy_that_is_printed_is_run(
    lab: Lab, closed: str
) -> None:
    folder = lab.folder / "store"
    folder.mkdir(mode=0o755)
    path = folder / "rows.sqlite"
    place = {"folder": folder, "file": path, "lock": folder / "rows.sqlite.lock"}[closed]
    if closed != "folder":
        place.touch(mode=0o600)
        os.chown(folder, 65534, 65534)
    somebody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    with Process(*somebody, sys.executable, "-c", SERVICE, path) as service:
        said = service.expect("^the store is not to be used by us, and nobody is greylisted until it is: .*")
        why, remedy = said[0].partition(": ")[2].split("; run ")
        assert why == f"the user nobody has no rights on {place}"
        subprocess.run(remedy.strip("`"), shell=True, check=True)
        service.expect("^answers$")
