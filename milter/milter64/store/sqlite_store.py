"""The SQLite store: rows are read through memory and written behind, and several processes share a file.

    read  ---> cache, good until others have written ---> SELECT, own unwritten rows merged in
    merge ---> cache and pending ---(the writer's thread, 100 ms later)---> one transaction: read, merge, write

A commit for each decision would be slower than the decision by far. WAL keeps readers free of the writer's lock. When
the file can't be used, every read says so at once, and the writer's thread tries it again once a second.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from math import inf
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Generic

from milter64.limits.bounded_cache import Cache
from milter64.limits.memory import USUAL
from milter64.store.batch_writer import Outcome, write
from milter64.store.eviction import comfortable, united
from milter64.store.interface import Kind, Row, StoreForbidden, StoreGone, StoreMissing
from milter64.store.memory_store import Rows
from milter64.store.sqlite_table import Table

MAX_ROWS, ROWS = 1_000_000, USUAL.rows
_FRESH = 0.5
"""Seconds that the cache believes what it has read, and then each look that tells it that nobody has written since:
other processes' rows are to be seen within a second."""
_LARGEST = 65_536
"""Octets of the rows of a key in the cache: strangers may give it a hundred."""
_MAX_PENDING = 100_000
"""Rows that wait to be written; what comes on top is not kept."""
_BATCH_DELAY = 0.1
_BUSY_DELAY = 0.3
"""Seconds that a batch gathers; the longer, the less each row costs."""
_BUSY = 100
"""Keys in the batch before, from which on a batch gathers longer."""
_RETRY = 1.0
"""Seconds between two tries to use a file that couldn't be used."""
_READ_PATIENCE = 0.5
_WRITE_PATIENCE = 5.0
"""Seconds to wait for other processes' locks."""
_READ_PAGES = 256
"""KiB of the file that are kept for reading: the kernel has it for all workers. What is written needs more."""
_TRUST = 0.2
"""Seconds that a reader believes that the file still bears its name."""

_Read = tuple[float, Mapping[str, Row]]
"""When the rows of a key were read, and by group what they were."""

_READ, _ROW = 280, 260
"""Octets of what was read of a key and of each row, without their texts."""


def _weight(key: str, read: _Read[Row]) -> int:
    """Return about what `cache.octets` would, in less time."""
    return _READ + len(key) + _ROW * len(read[1]) + len("".join(read[1]))


class SqliteStore(Generic[Row]):
    """Rows in an SQLite file."""

    def __init__(
        self, path: Path, kind: Kind[Row], warn: Callable[[str], None], *, max_rows: int = MAX_ROWS, cache: int = ROWS
    ) -> None:
        """Have `max_rows` in the file, and those of `cache` octets in memory, too."""
        self._path = path
        self._kind = kind
        self._warn = warn
        self._max_rows = max_rows
        self._comfortable = comfortable(max_rows)
        self._lock = Lock()  # for all that follows
        self._reader = Table(path, kind, warn, patience=_READ_PATIENCE, trust=_TRUST, pages=_READ_PAGES)
        self._cache: Cache[str, _Read[Row]] = Cache(cache, _LARGEST, _weight)
        self._version: tuple[int, int] | None = None
        self._looked = self._changed = -inf
        self._pending = Rows(kind)
        self._batch = Rows(kind)
        self._dropped = 0
        self._written = 0
        self._hits = self._misses = 0
        self._trouble = Counter[str]()
        self._expire_at: float | None = None
        self._outage = ""
        self._was_there = False
        self._stuck = False
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
            try:
                if now - self._looked >= _FRESH:
                    self._look(now)
                cached = self._cache.get(key)
                if cached and (cached[0] >= self._changed or now - cached[0] < _FRESH):
                    self._hits += 1
                    return cached[1]
                self._misses += 1
                rows = self._reader.select(key)
            except StoreGone as gone:
                self._begin_outage(gone)
                raise
            for unwritten in (self._batch, self._pending):
                if mine := unwritten.of(key):
                    rows = united(self._kind, rows, mine)
            if rows or cached:  # a stranger's pair is kept from his retry on: floods push out nobody
                self._cache.put(key, (now, rows))
            return rows

    def merge(self, key: str, rows: Mapping[str, Row]) -> None:
        """Merge rows into those of a key: seen by this store at once, by others within a second or so."""
        with self._lock:
            if len(self._pending) + len(self._batch) < _MAX_PENDING:
                self._pending.merge(key, rows)
            else:
                self._dropped += len(rows)
            if cached := self._cache.get(key):
                self._cache.put(key, (cached[0], united(self._kind, cached[1], rows)))
        if not self._wake.is_set():
            self._wake.set()

    def everything(self) -> Iterator[tuple[str, str, Row]]:
        """Yield key, group and row of all that the file has, over a connection of its own.

        Raises:
            StoreGone: the file can't be used now.
        """
        with closing(Table(self._path, self._kind, self._warn, patience=_READ_PATIENCE)) as table:
            yield from table.everything()

    def expire(self, now: float) -> None:
        """Have the writer's thread delete the rows that have expired."""
        with self._lock:
            self._expire_at = now
        self._wake.set()

    def latest(self) -> float | None:
        """Return the latest time in any row of the file; None if there is none, or the file can't be used."""
        with self._lock:
            if not self._outage:
                try:
                    return self._reader.totals()[1]
                except StoreGone as gone:
                    self._begin_outage(gone)
        return None

    def sizes(self) -> Mapping[str, int]:
        """Return how many rows the file has, those of others included, and what this store itself holds and dropped."""
        with self._lock:
            rows = 0
            with suppress(StoreGone):
                rows, _ = self._reader.totals()
            pending = len(self._pending) + len(self._batch)
            return {"rows": rows, "cached": self._cache.weight, "pending": pending, "dropped": self._dropped}

    @property
    def caps(self) -> Mapping[str, int]:
        """How much there may be."""
        return {"rows": self._max_rows, "cached": self._cache.capacity, "pending": _MAX_PENDING}

    @property
    def gone(self) -> bool:
        """Whether the file can't be used now."""
        return bool(self._outage)

    def happenings(self) -> Mapping[str, int]:
        """Return what has happened how often since the start."""
        return {"hit": self._hits, "miss": self._misses, **self._trouble}

    def close(self) -> None:
        """Write what is left to write, if the file can be used."""
        self._closing.set()
        self._wake.set()
        self._writer.join()
        with self._lock:
            self._reader.close()

    def _look(self, now: float) -> None:
        """See whether what was read before now may be out of date."""
        self._looked = now
        if (version := self._reader.version()) != self._version:
            self._version, self._changed = version, now

    def _begin_outage(self, gone: StoreGone) -> None:
        if not self._outage:
            self._trouble["gone"] += 1
            self._warn(f"{self._said(gone)}: {gone}")
        self._outage = str(gone)
        self._cache.clear()
        self._wake.set()

    def _said(self, gone: StoreGone) -> str:
        match gone:
            case StoreMissing() if not self._was_there:
                return "there is no store yet, and nobody is greylisted until there is"
            case StoreMissing():
                return "the store is gone, and nobody is greylisted until it is back"
            case StoreForbidden():
                return "the store is not to be used by us, and nobody is greylisted until it is"
            case _:
                return "the store can't be used, and nobody is greylisted until it can"

    def _write_behind(self) -> None:
        closing = False
        while not closing:
            self._wake.wait()
            self._wake.clear()
            busy = self._written >= _BUSY
            trouble = self._outage or self._stuck
            closing = self._closing.wait(_RETRY if trouble else _BUSY_DELAY if busy else _BATCH_DELAY)
            self._work()
        self._table.close()

    def _work(self) -> None:
        """Write all that is pending, and delete what is too much. With nothing to do it tries whether it could."""
        try:
            self._write()
            if (now := self._expire_at) is not None:
                self._delete(self._table.expire(now))
                with self._lock:
                    if self._expire_at == now and not self._closing.is_set():
                        self._expire_at = None
            while self._table.totals()[0] > self._comfortable and not self._closing.is_set():
                dropped = self._delete(self._table.make_room(self._comfortable))
                with self._lock:
                    self._dropped += dropped
                self._write()
        except StoreGone as gone:
            with self._lock:
                self._begin_outage(gone)
        except Exception as error:  # noqa: BLE001  without its thread the store would be gone for good
            self._trouble["lost"] += 1
            self._warn(f"the store has lost rows: {error!r}")

    def _write(self) -> None:
        """Write what is pending, as far as there is room; at the end all of it."""
        room = self._max_rows - self._table.totals()[0]
        with self._lock:
            if len(self._pending) <= room or self._closing.is_set():
                batch, self._pending = self._pending, Rows(self._kind)
            else:
                batch = self._pending.take(max(0, room))
            self._batch = batch
            self._dropped += batch.dropped
        try:
            outcome = write(batch, self._table.merge)
        except StoreGone:
            with self._lock:
                self._trouble["unwritten"] += bool(len(batch))
                for key, rows in self._pending:
                    batch.merge(key, rows)
                self._pending, self._batch = batch, Rows(self._kind)
            raise
        with self._lock:
            self._outage = ""
            self._was_there = True
            self._written = len(batch)
            self._dropped += outcome.dropped
            self._batch = Rows(self._kind)
            for key, rows in outcome.unwritten:
                self._pending.merge(key, rows)
        self._tell(outcome)

    def _tell(self, outcome: Outcome[Row]) -> None:
        """Count and tell what has become of rows that were not written; have those that may be tried again."""
        self._trouble["lost"] += len(outcome.lost)
        self._trouble["unwritten"] += bool(outcome.why)
        if outcome.lost:
            error = outcome.lost[0]
            self._warn(f"the store has lost rows ({len(outcome.lost)}): {type(error).__name__}: {error}")
        if outcome.why:
            if not self._stuck:
                self._warn(f"the store can't write some rows, and tries them again each second: {outcome.why}")
            self._wake.set()
        self._stuck = bool(outcome.why)

    def _delete(self, chunks: Iterator[int]) -> int:
        """Delete chunk by chunk, writing what is pending in between, and return how many rows those were."""
        deleted = 0
        for chunk in chunks:
            deleted += chunk
            if self._closing.is_set():
                break
            self._write()
        return deleted
