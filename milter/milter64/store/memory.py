"""Rows in memory: a store of their own, and what the SQLite store has yet to write."""

from collections.abc import Iterator, Mapping
from heapq import nsmallest
from threading import Lock
from typing import Generic

from milter64.store.protocol import Kind, Row

MAX_ROWS = 100_000


class Rows(Generic[Row]):
    """Rows by key and group, counted; the caller brings the lock.

    A mapping that was handed out never changes afterwards.
    """

    def __init__(self, kind: Kind[Row]) -> None:
        self._kind = kind
        self._by_key: dict[str, Mapping[str, Row]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[str, str, Row]]:
        return ((key, group, row) for key, rows in self._by_key.items() for group, row in rows.items())

    def of(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group."""
        return self._by_key.get(key, {})

    def merge(self, key: str, rows: Mapping[str, Row]) -> None:
        """Merge rows into those of a key."""
        old = self.of(key)
        merged = self._by_key[key] = united(self._kind, old, rows)
        self._count += len(merged) - len(old)

    def remove(self, key: str, group: str) -> None:
        """Forget a row."""
        rows = {other: row for other, row in self._by_key.pop(key).items() if other != group}
        if rows:
            self._by_key[key] = rows
        self._count -= 1

    def take(self, keys: int) -> "Rows[Row]":
        """Move the rows of the `keys` oldest keys out."""
        taken = Rows(self._kind)
        for key in list(self._by_key)[:keys]:
            rows = self._by_key.pop(key)
            taken.merge(key, rows)
            self._count -= len(rows)
        return taken


def united(kind: Kind[Row], one: Mapping[str, Row], other: Mapping[str, Row]) -> Mapping[str, Row]:
    """Return the rows of both, by group, merged where both have one."""
    if not one or not other:
        return one or dict(other)
    return {**one, **{group: kind.merge(one[group], row) if group in one else row for group, row in other.items()}}


class MemoryStore(Generic[Row]):
    """A store that forgets everything at its end, and that no other process sees."""

    def __init__(self, kind: Kind[Row], *, max_rows: int = MAX_ROWS) -> None:
        self._kind = kind
        self._max_rows = max_rows
        self._lock = Lock()
        self._rows = Rows(kind)
        self._dropped = 0

    def read(self, key: str) -> Mapping[str, Row]:
        """Return the rows of a key by group."""
        with self._lock:
            return self._rows.of(key)

    def merge(self, key: str, rows: Mapping[str, Row]) -> None:
        """Merge rows into those of a key; the rows that expire first make room, a tenth of all at a time."""
        with self._lock:
            self._rows.merge(key, rows)
            if len(self._rows) > self._max_rows:
                surplus = len(self._rows) - self._max_rows + self._max_rows // 10
                self._dropped += surplus
                self._remove(nsmallest(surplus, self._rows, key=self._expires))

    def expire(self, now: float) -> None:
        """Forget the rows that have expired."""
        with self._lock:
            self._remove([entry for entry in self._rows if self._expires(entry) < now])

    def latest(self) -> float | None:
        """Return the latest time in any row."""
        with self._lock:
            return max((self._kind.touched(row) for _, _, row in self._rows), default=None)

    def sizes(self) -> Mapping[str, int]:
        """Return how many rows there are; nothing is cached or pending."""
        with self._lock:
            return {"rows": len(self._rows), "cached": 0, "pending": 0, "dropped": self._dropped}

    def close(self) -> None:
        """Forget nothing: whoever still holds the store may go on using it."""

    def _expires(self, entry: tuple[str, str, Row]) -> float:
        return self._kind.expires(entry[2])

    def _remove(self, entries: list[tuple[str, str, Row]]) -> None:
        for key, group, _ in entries:
            self._rows.remove(key, group)
