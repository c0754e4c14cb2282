"""Stores: what milter64 remembers, by key and group (see `protocol`)."""

from collections.abc import Callable
from pathlib import Path

from milter64.store.memory import MemoryStore
from milter64.store.protocol import Kind, Row, Store, StoreGone
from milter64.store.sqlite import SqliteStore

__all__ = ["Kind", "Store", "StoreGone", "open_store", "parse"]


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
    raise ValueError(f'{url!r} is neither "memory:" nor "sqlite:" with an absolute path')


def open_store(url: str, kind: Kind[Row], warn: Callable[[str], None]) -> Store[Row]:
    """Return the store that `url` names; `warn` is told of trouble, once an outage, from any thread.

    Trouble with the file is no error here: the store is gone until it comes right.

    Raises:
        ValueError: `url` names no store.
    """
    path = parse(url)
    return MemoryStore(kind) if path is None else SqliteStore(path, kind, warn)
