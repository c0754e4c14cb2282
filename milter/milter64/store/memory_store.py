"""Rows in memory: a store of their own, and what the SQLite store has yet to write."""

from collections.abc import Iterator, Mapping
from threading import Lock
from time import sleep
from typing import Generic

from milter64.store.eviction import united
from milter64.store.interface import Kind, Row
from milter64.store.memory_ranks import Entry, Precedence

MAX_ROWS = 100_000
_CHUNK = 100
"""Rows that are forgotten while the others wait, about."""


class Rows(Generic[Row]):
    """Rows by key and group, counted; the caller brings the lock.

    A mapping that was handed out never changes afterwards.
    """

    def __init__(self, kind: Kind[Row]) -> None:
        self._kind = kind
        self._by_key: dict[str, Mapping[str, Row]] = {}
        self._count = 0
        self.dropped = 0
        """Rows that were too many for their keys."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Row]]]:
        return iter(self._by_key.items())

    def rows(self) -> Iterator[tuple[str, str, Row]]:
        """Return key, group and row of each."""
        return ((key, group, row) for key, rows in self._by_key.items() for group, row in rows.items())

    def of(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group."""
        return self._by_key.get(key, {})

    def merge(self, key: str, rows: Mapping[str, Row]) -> None:
        """Merge rows into those of a key."""
        old = self.of(key)
        merged = self._by_key[key] = united(self._kind, old, rows)
        if len(old) + len(rows) > len(merged):
            self.dropped += len(old.keys() | rows.keys()) - len(merged)
        self._count += len(merged) - len(old)

    def remove(self, key: str, group: str) -> None:
        """Forget a row."""
        rows = {other: row for other, row in self._by_key.pop(key).items() if other != group}
        if rows:
            self._by_key[key] = rows
        self._count -= 1

    def take(self, count: int) -> "Rows[Row]":
        """Move the rows of the oldest keys out, `count` at most."""
        taken = Rows(self._kind)
        taken.dropped, self.dropped = self.dropped, 0
        for key in list(self._by_key) if count else ():
            rows = self._by_key[key]
            if taken._count + len(rows) > count:
                break
            taken._by_key[key] = self._by_key.pop(key)
            taken._count += len(rows)
        self._count -= taken._count
        return taken


class Unfailing:
    """What a store in memory has to say of trouble."""

    @property
    def gone(self) -> bool:
        """Never."""
        return False

    def happenings(self) -> Mapping[str, int]:
        """Return nothing: there is no cache, and no trouble."""
        return {}

    def close(self) -> None:
        """Forget nothing: whoever still holds the store may go on using it."""


class MemoryStore(Unfailing, Generic[Row]):
    """A store that forgets everything at its end, and that no other process sees."""

    def __init__(self, kind: Kind[Row], *, max_rows: int = MAX_ROWS) -> None:
        self._kind = kind
        self._max_rows = max_rows
        self._lock = Lock()
        self._rows = Rows(kind)
        self._precedence = Precedence()
        self._latest: float | None = None
        self._dropped = 0

    def read(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group."""
        with self._lock:
            return self._rows.of(key)

    def merge(self, key: str, rows: Mapping[str, Row]) -> None:
        """Merge rows into those of a key; where there are too many, those of the networks that hold the most go."""
        kind, precedence = self._kind, self._precedence
        with self._lock:
            old = self._rows.of(key)
            self._rows.merge(key, rows)
            merged = self._rows.of(key)
            for group in old.keys() - merged.keys():
                precedence.drop((key, group))
            for group in rows.keys() & merged.keys():
                row = merged[group]
                self._latest = max(kind.touched(row), self._latest or 0.0)
                if kind.waits(row):
                    precedence.wait((key, group), kind.block(group))
                elif row != old.get(group):
                    precedence.passed((key, group))
            while len(self._rows) > self._max_rows:
                self._forget(precedence.last(self._max_rows))
                self._dropped += 1

    def everything(self) -> Iterator[tuple[str, str, Row]]:
        """Yield key, group and row of each."""
        with self._lock:
            keys = [key for key, _ in self._rows]
        for key in keys:
            with self._lock:
                rows = self._rows.of(key)
            for group, row in rows.items():
                yield key, group, row

    def expire(self, now: float) -> None:
        """Forget the rows that have expired; the lock is let go of in between."""
        with self._lock:
            self._latest = self._latest and min(self._latest, now)
        while True:
            with self._lock:
                for _ in range(_CHUNK):
                    expired = [entry for entry in self._precedence.first() if self._expires(entry) < now]
                    for entry in expired:
                        self._forget(entry)
                    if not expired:
                        return
            sleep(0)  # whoever waits for the lock would not get it otherwise

    def latest(self) -> float | None:
        """Return the latest time in any row that ever was."""
        return self._latest

    def sizes(self) -> Mapping[str, int]:
        """Return how many rows there are; nothing is cached or pending."""
        with self._lock:
            return {"rows": len(self._rows), "cached": 0, "pending": 0, "dropped": self._dropped + self._rows.dropped}

    @property
    def caps(self) -> Mapping[str, int]:
        """How many rows there may be."""
        return {"rows": self._max_rows}

    def _expires(self, entry: Entry) -> float:
        key, group = entry
        return self._kind.expires(self._rows.of(key)[group])

    def _forget(self, entry: Entry) -> None:
        self._rows.remove(*entry)
        self._precedence.drop(entry)
