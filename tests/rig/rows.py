"""Rows, and what tests see of them from outside of a store."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.interface import StoreGone
from milter64.store.sqlite_store import SqliteStore

KIND = RecordKind(Settings(retry_window=1000.0, remember=10_000.0))
NETWORK = "net:192.31.196.0/24"
WAITING = Record(generation=0, first_seen=100.0)
PASSED = Record(generation=0, first_seen=100.0, passed_at=160.0)

Open = Callable[..., SqliteStore[Record]]
"""Opens a store that is closed when the test ends: `open_store(path=..., kind=..., max_rows=..., cache=...)`."""


class Warnings(list[str]):
    """What stores have warned of."""

    def about(self, words: str) -> list[str]:
        """Return the warnings that have `words` in them."""
        return [warning for warning in self if words in warning]


def answers(store: SqliteStore[Record]) -> bool:
    """Whether a store can be read."""
    try:
        store.read("any")
    except StoreGone:
        return False
    return True


def gone(store: SqliteStore[Record]) -> bool:
    """Whether a store says that it is gone."""
    return not answers(store)


def fill(open_store: Open, count: int = 2000) -> None:
    """Write enough rows for several pages, and close the file, so that they are in it and not in its -wal."""
    store = open_store()
    for number in range(count):
        store.merge(f"pair {number}", {NETWORK: WAITING})
    store.close()


def damage(path: Path) -> None:
    """Overwrite all but the first page, as a bad disk may."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def corpses(path: Path, word: str = "corrupt") -> list[Path]:
    """Return the files that were moved aside, as corrupt or by another `word`."""
    return [file for file in path.parent.glob(f"*.{word}-*") if not file.name.endswith(("-wal", "-shm"))]


def stored(path: Path) -> set[tuple[str, str]]:
    """Return key and row of all that is in the file so far."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return set(connection.execute("SELECT key, row FROM rows"))
    return set()
