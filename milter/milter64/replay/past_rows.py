"""The greylist of a replay: a store that holds much in little room, as nearly all rows are of who came once.

Where there are too many keys, those that have changed longest ago go. A service would have room for more.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeVar

from milter64.greylist.row import Record, RecordKind
from milter64.store.eviction import united

MOST = 120_000
"""Keys of which nothing is known but one row that waits: some 300 octets each."""
_OTHERS = 3
"""A part of that, a third, is how many others there may be: some 700 octets each."""
_Value = TypeVar("_Value")


class PastRows:
    """Rows of a log's time; for one thread."""

    def __init__(self, kind: RecordKind, most: int = MOST) -> None:
        self._kind = kind
        self._most = most
        self._waiting: dict[str, tuple[str, float]] = {}
        """The group of a key's only row, and when it was first seen, in the order of their coming."""
        self._others: dict[str, Mapping[str, Record]] = {}
        """In the order of their last change."""
        self._dropped = 0

    def read(self, key: str) -> Mapping[str, Record]:
        """Return the rows of a key by group."""
        if waiting := self._waiting.get(key):
            group, since = waiting
            return {group: Record(generation=0, first_seen=since)}
        return self._others.get(key, {})

    def merge(self, key: str, rows: Mapping[str, Record]) -> None:
        """Merge rows into those of a key."""
        old = self.read(key)
        if not old and len(rows) == 1:
            ((group, row),) = rows.items()
            if row.passed_at is None and not row.generation:
                self.begin(key, group, row.first_seen)
                return
        self._waiting.pop(key, None)
        self._others.pop(key, None)
        self._others[key] = united(self._kind, old, rows)
        self._keep(self._others, self._most // _OTHERS)

    def begin(self, key: str, group: str, since: float) -> None:
        """Have the first row of a key wait."""
        self._waiting[key] = group, since
        self._keep(self._waiting, self._most)

    def _keep(self, some: dict[str, _Value], most: int) -> None:
        """Let a quarter go, the first, where there are more than `most`: to let one go each time would be slow."""
        if len(some) > most:
            for key in list(islice(some, most // 4)):
                del some[key]
                self._dropped += 1

    def everything(self) -> Iterator[tuple[str, str, Record]]:
        """Yield key, group and row of each."""
        for key in [*self._waiting, *self._others]:
            for group, row in self.read(key).items():
                yield key, group, row

    def expire(self, now: float) -> None:
        """Do nothing: those that have run out are the first to go where there are too many."""

    def latest(self) -> float | None:
        """Return that it can't be known: the log's time goes on whatever is in the rows."""
        return None

    def sizes(self) -> Mapping[str, int]:
        """Return how many keys there are."""
        return {"rows": len(self._waiting) + len(self._others), "cached": 0, "pending": 0, "dropped": self._dropped}

    @property
    def caps(self) -> Mapping[str, int]:
        """How many there may be."""
        return {"rows": self._most + self._most // _OTHERS}

    @property
    def gone(self) -> bool:
        """Never."""
        return False

    def happenings(self) -> Mapping[str, int]:
        """Return nothing: there is no cache, and no trouble."""
        return {}

    def close(self) -> None:
        """Forget nothing."""
