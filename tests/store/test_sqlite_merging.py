"""Rows that somebody has merged into the file who waits for it, beside the workers."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from milter64.store.interface import StoreGone, StoreMissing
from milter64.store.sqlite_merging import Merging
from milter64.store.sqlite_reader import Reader
from rig.process import until
from rig.rows import KIND, NETWORK, PASSED, WAITING, Open, Warnings, stored


def test_a_worker_that_has_read_a_row_before_sees_what_was_merged(
    open_store: Open, path: Path, warnings: Warnings
) -> None:
    store = open_store()
    store.merge("pair", {NETWORK: WAITING})
    until(lambda: stored(path))
    assert store.read("pair") == {NETWORK: WAITING}
    with Merging(path, KIND, warnings.append) as merging:
        merging.merge([("pair", {NETWORK: PASSED}), ("other", {NETWORK: WAITING})])
    assert stored(path) == {("pair", KIND.dump(PASSED)), ("other", KIND.dump(WAITING))}
    until(lambda: store.read("pair") == {NETWORK: PASSED}, seconds=2)
    assert not warnings


def test_of_rows_that_are_too_many_some_give_way(path: Path, warnings: Warnings) -> None:
    with Merging(path, KIND, warnings.append, max_rows=1000) as merging:
        for start in range(0, 3000, 500):
            merging.merge([(f"pair {start + number}", {NETWORK: WAITING}) for number in range(500)])
        left = len(stored(path))
        assert 800 < left <= 950
        assert left + merging.dropped == 3000


def test_of_a_pair_with_too_many_groups_some_give_way(path: Path, warnings: Warnings) -> None:
    with Merging(path, KIND, warnings.append) as merging:
        for start in (0, 100):
            merging.merge([("pair", {f"net:192.0.2.{start + number}/32": WAITING for number in range(100)})])
    with closing(Reader(path, KIND)) as reader:
        assert merging.dropped == 200 - len(reader.read("pair"))
    assert 0 < merging.dropped < 200


def test_who_has_nowhere_to_write_is_told_so(tmp_path: Path, warnings: Warnings) -> None:
    with Merging(tmp_path / "none" / "rows", KIND, warnings.append) as merging, pytest.raises(StoreMissing):
        merging.merge([("pair", {NETWORK: WAITING})])


def test_rows_that_could_not_be_written_for_a_page_that_errs_are_told_of(
    path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Merging(path, KIND, warnings.append) as merging:

        def errs(entries: list[object]) -> int:
            if entries:
                raise StoreGone("disk I/O error")
            return 0

        monkeypatch.setattr(merging._table, "merge", errs)  # noqa: SLF001  a disk that errs
        with pytest.raises(StoreGone, match="disk I/O error"):
            merging.merge([("pair", {NETWORK: WAITING})])


def test_what_root_makes_belongs_to_the_folders_owner(path: Path, warnings: Warnings) -> None:
    os.chown(path.parent, 65534, 65534)
    with Merging(path, KIND, warnings.append) as merging:
        merging.merge([("pair", {NETWORK: WAITING})])
        assert {file.name: file.stat().st_uid for file in path.parent.iterdir()} == {
            f"{path.name}{suffix}": 65534 for suffix in ("", "-wal", "-shm", ".lock")
        }
