"""The greylist of a replay: a store that holds much in little room, as nearly all rows are of who came once.

What has run out isn't read any more, but stays where it is until there is no room. Where there are too many keys, those
that have changed longest ago go. A service would have room for more.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from milter64.greylist.row import Record, RecordKind
from milter64.store.eviction import united
from milter64.store.memory_store import Unfailing

MOST = 120_000
"""Keys of which nothing is known but that they began to wait: some 300 octets each."""
_OTHERS = 3
"""A part of that, a third, is how many rows others may have together: some 700 octets each, with their key."""


class PastRows(Unfailing):
    """Rows of a log's time; for one thread."""

    def __init__(self, kind: RecordKind, most: int = MOST) -> None:
        self.now = 0.0
        """The log's time, in seconds since 1970."""
        self._kind = kind
        self._most = most
        # A plain dict's beginning costs the more to find the more of it has gone.
        self._waiting: OrderedDict[str, tuple[tuple[str, ...], float]] = OrderedDict()
        """The groups of a key's rows, which all began together, and when that was, in the order of their coming."""
        self._others: OrderedDict[str, Mapping[str, Record]] = OrderedDict()
        """In the order of their last change."""
        self._count = 0
        """Rows of these."""
        self._dropped = 0

    def read(self, key: str) -> Mapping[str, Record]:
        """Return the rows of a key by group that haven't run out."""
        if waiting := self._waiting.get(key):
            groups, since = waiting
            row = Record(generation=0, first_seen=since)
            return dict.fromkeys(groups, row) if self._kind.expires(row) >= self.now else {}
        if rows := self._others.get(key):
            return {group: row for group, row in rows.items() if self._kind.expires(row) >= self.now}
        return {}

    def merge(self, key: str, rows: Mapping[str, Record]) -> None:
        """Merge rows into those of a key."""
        old = self.read(key)
        if not old:
            first, *further = rows.values()
            if first.passed_at is None and not first.generation and all(row == first for row in further):
                self.begin(key, first.first_seen, *rows)
                return
        self._remove(key)
        self._others[key] = merged = united(self._kind, old, rows)
        self._count += len(merged)
        while self._count > self._most // _OTHERS:
            gone = self._others.popitem(last=False)[1].values()
            self._count -= len(gone)
            self._dropped += sum(self._kind.expires(row) >= self.now for row in gone)

    def begin(self, key: str, since: float, *groups: str) -> None:
        """Have the first rows of a key wait."""
        self._remove(key)
        self._waiting[key] = groups, since
        if len(self._waiting) > self._most:
            _, (gone, since) = self._waiting.popitem(last=False)
            if self._kind.expires(Record(generation=0, first_seen=since)) >= self.now:
                self._dropped += len(gone)

    def _remove(self, key: str) -> None:
        self._waiting.pop(key, None)
        self._count -= len(self._others.pop(key, ()))

    def everything(self) -> Iterator[tuple[str, str, Record]]:
        """Yield key, group and row of each."""
        for key in [*self._waiting, *self._others]:
            for group, row in self.read(key).items():
                yield key, group, row

    def expire(self, now: float) -> None:
        """Do nothing: see above."""

    def latest(self) -> float | None:
        """Return that it can't be known: the log's time goes on whatever is in the rows."""
        return None

    def sizes(self) -> Mapping[str, int]:
        """Return how many rows there are, and how many went."""
        waiting = sum(len(groups) for groups, _ in self._waiting.values())
        return {"rows": waiting + self._count, "cached": 0, "pending": 0, "dropped": self._dropped}

    @property
    def caps(self) -> Mapping[str, int]:
        """How many rows there may be."""
        return {"rows": self._most + self._most // _OTHERS}
