"""Which store a URL names, and how it is opened: a host's own."""

from collections.abc import Callable
from pathlib import Path

from milter64.limits.memory import USUAL
from milter64.store.interface import Kind, Row, Store
from milter64.store.memory_store import MemoryStore
from milter64.store.sqlite_store import SqliteStore


def parse(url: str) -> Path | None:
    """Return the file of "sqlite:/path", or None for "memory:".

    Raises:
        ValueError: it is neither.
    """
    scheme, _, path = url.partition(":")
    if url == "memory:":
        return None
    if scheme == "sqlite" and path.startswith("/"):
        return Path(path)
    raise ValueError('neither "memory:" nor "sqlite:" with an absolute path')


def open_store(url: str, kind: Kind[Row], warn: Callable[[str], None], *, cache: int = USUAL.rows) -> Store[Row]:
    """Return the store that `url` names; `warn` is told of trouble, once an outage, from any thread.

    A file's rows are kept in memory, too, those of `cache` octets.

    Trouble with the file is no error here: the store is gone until it comes right.

    Raises:
        ValueError: `url` names no store.
    """
    path = parse(url)
    return MemoryStore(kind) if path is None else SqliteStore(path, kind, warn, cache=cache)
