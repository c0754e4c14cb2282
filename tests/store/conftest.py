from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.greylist.row import Record, RecordKind
from milter64.store.sqlite_store import SqliteStore
from rig.rows import KIND, Open, Warnings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.sqlite"


@pytest.fixture
def warnings() -> Warnings:
    return Warnings()


@pytest.fixture
def open_store(path: Path, warnings: Warnings) -> Iterator[Open]:
    stores = []

    def open_store(
        path: Path = path, kind: RecordKind = KIND, max_rows: int = 1_000_000, cache: int = 2**20
    ) -> SqliteStore[Record]:
        stores.append(SqliteStore(path, kind, warnings.append, max_rows=max_rows, cache=cache))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()
