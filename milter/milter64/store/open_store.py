"""A host's own store, opened: apart from its URL, as few who know where it is open it."""

from collections.abc import Callable

from milter64.limits.memory import USUAL
from milter64.store.interface import Kind, Row, Store
from milter64.store.memory_store import MemoryStore
from milter64.store.sqlite_store import SqliteStore
from milter64.store.store_url import parse


def open_store(url: str, kind: Kind[Row], warn: Callable[[str], None], *, cache: int = USUAL.rows) -> Store[Row]:
    """Return the store that `url` names; `warn` is told of trouble, once an outage, from any thread.

    A file's rows are kept in memory, too, those of `cache` octets.

    Trouble with the file is no error here: the store is gone until it comes right.

    Raises:
        ValueError: `url` names no store.
    """
    path = parse(url)
    return MemoryStore(kind) if path is None else SqliteStore(path, kind, warn, cache=cache)
