"""The SQLite store: rows are read through memory and written behind, and several processes share a file.

    read  ---> cache, good for a second ---> SELECT, own unwritten rows merged in
    merge ---> cache and pending ---(the writer's thread, 100 ms later)---> one transaction: read, merge, write

A commit for each decision would be slower than the decision by far. WAL keeps readers free of the writer's lock. When
the file can't be used, every read says so at once, and the writer's thread tries it again once a second.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Generic

from milter64.store.memory import Rows, united
from milter64.store.protocol import Kind, Row, StoreGone
from milter64.store.table import Table

MAX_ROWS = 1_000_000
_FRESH = 1.0
"""Seconds that the cache believes what it has read: other processes write too."""
_MAX_CACHED = 20_000
"""Keys in the cache."""
_MAX_PENDING = 100_000
"""Rows that wait to be written; what comes on top is not kept."""
_BATCH_DELAY = 0.1
"""Seconds that a batch gathers."""
_MAX_BATCH = 1000
"""Keys in one transaction: other processes wait to write meanwhile."""
_RETRY = 1.0
"""Seconds between two tries to use a file that couldn't be used."""
_READ_PATIENCE = 0.5
_WRITE_PATIENCE = 5.0
"""Seconds to wait for other processes' locks."""


class SqliteStore(Generic[Row]):
    """Rows in an SQLite file."""

    def __init__(self, path: Path, kind: Kind[Row], warn: Callable[[str], None], *, max_rows: int = MAX_ROWS) -> None:
        self._kind = kind
        self._warn = warn
        self._max_rows = max_rows
        self._lock = Lock()  # for all that follows
        self._reader = Table(path, kind, warn, patience=_READ_PATIENCE)
        self._cache: dict[str, tuple[float, Mapping[str, Row]]] = {}
        self._pending = Rows(kind)
        self._batch = Rows(kind)
        self._dropped = 0
        self._expire_at: float | None = None
        self._outage = ""
        self._wake = Event()
        self._closing = Event()
        self._table = Table(path, kind, warn, patience=_WRITE_PATIENCE)  # the writer's thread's own
        self._writer = Thread(target=self._write_behind, name="store", daemon=True)
        self._writer.start()
        self._wake.set()  # so that trouble with the file shows at start

    def read(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group.

        Raises:
            StoreGone: the file can't be used now.
        """
        with self._lock:
            if self._outage:
                raise StoreGone(self._outage)
            now = monotonic()
            cached = self._cache.get(key)
            if cached and now - cached[0] < _FRESH:
                return cached[1]
            try:
                rows = self._reader.select(key)
            except StoreGone as gone:
                self._begin_outage(gone)
                raise
            for unwritten in (self._batch, self._pending):
                rows = united(self._kind, rows, unwritten.of(key))
            self._cache.pop(key, None)
            if len(self._cache) >= _MAX_CACHED:
                del self._cache[next(iter(self._cache))]
            self._cache[key] = now, rows
            return rows

    def merge(self, key: str, rows: Mapping[str, Row]) -> None:
        """Merge rows into those of a key: seen by this store at once, by others within a second or so."""
        with self._lock:
            if len(self._pending) < _MAX_PENDING:
                self._pending.merge(key, rows)
            else:
                self._dropped += len(rows)
            if cached := self._cache.get(key):
                self._cache[key] = cached[0], united(self._kind, cached[1], rows)
        self._wake.set()

    def expire(self, now: float) -> None:
        """Have the writer's thread delete the rows that have expired, and those next to expire beyond the cap."""
        with self._lock:
            self._expire_at = now
        self._wake.set()

    def latest(self) -> float | None:
        """Return the latest time in any row of the file; None if there is none, or the file can't be used."""
        with self._lock, suppress(StoreGone):
            return self._reader.latest()
        return None

    def sizes(self) -> Mapping[str, int]:
        """Return how many rows the file has, those of other stores included, and what this store holds itself."""
        with self._lock:
            rows = 0
            with suppress(StoreGone):
                rows = self._reader.count()
            pending = len(self._pending) + len(self._batch)
            return {"rows": rows, "cached": len(self._cache), "pending": pending, "dropped": self._dropped}

    def close(self) -> None:
        """Write what is left to write, if the file can be used."""
        self._closing.set()
        self._wake.set()
        self._writer.join()
        with self._lock:
            self._reader.close()

    def _begin_outage(self, gone: StoreGone) -> None:
        if not self._outage:
            self._warn(f"the store is gone, nobody is greylisted until it is back: {gone}")
        self._outage = str(gone)
        self._cache.clear()
        self._wake.set()

    def _write_behind(self) -> None:
        closing = False
        while not closing:
            self._wake.wait()
            self._wake.clear()
            closing = self._closing.wait(_RETRY if self._outage else _BATCH_DELAY)
            self._work()
        self._table.close()

    def _work(self) -> None:
        """Write all that is pending, then delete what has expired. With nothing to do it tries whether it could."""
        try:
            while self._write_batch():
                pass
            while self._expire_at is not None and self._expire_chunk(self._expire_at):
                self._write_batch()
        except StoreGone as gone:
            with self._lock:
                self._begin_outage(gone)
        except Exception as error:  # noqa: BLE001  without its thread the store would be gone for good
            self._warn(f"the store has lost rows: {error!r}")

    def _write_batch(self) -> bool:
        """Write some of what is pending, and return whether there is more."""
        with self._lock:
            batch = self._batch = self._pending.take(_MAX_BATCH)
        try:
            self._table.merge(batch)
        except StoreGone:
            with self._lock:
                for key, group, row in batch:
                    self._pending.merge(key, {group: row})
            raise
        finally:
            with self._lock:
                self._batch = Rows(self._kind)
        with self._lock:
            self._outage = ""
            return len(self._pending) > 0

    def _expire_chunk(self, now: float) -> bool:
        """Delete one chunk, and return whether there may be more."""
        if self._table.expire(now, self._max_rows):
            return not self._closing.is_set()
        with self._lock:
            if self._expire_at == now:
                self._expire_at = None
        return False
