"""What a worker has yet to tell the other hosts, and what it has told them in the last minute."""

from collections import deque
from collections.abc import Mapping
from threading import Event, Lock
from time import monotonic

from milter64.greylist.row import Record, RecordKind
from milter64.store.memory_store import Rows

MOST = 100_000
"""Rows that may wait. Beyond them everything is sent again from the host's own store, once it can be."""
_LATELY = 60.0
"""Seconds in which a server may lose what it had acknowledged, as it does when another one takes its place."""


class Outbox:
    """Every thread may call everything."""

    def __init__(self, kind: RecordKind, *, most: int = MOST) -> None:
        self._kind = kind
        self._most = most
        self._lock = Lock()
        self._waiting: Rows[Record] = Rows(kind)
        self._sent = deque[tuple[float, Rows[Record]]]()
        self._rows_sent = 0
        self.total = 0
        """How many rows were sent."""
        self.overflown = False
        """Whether something could not be kept since this was set to False."""
        self.filled = Event()
        """Set when there is something to be sent; whoever sends it clears it."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: str, rows: Mapping[str, Record]) -> None:
        """Have rows of a key sent, by group."""
        with self._lock:
            if len(self._waiting) < self._most:
                self._waiting.merge(key, rows)
            else:
                self.overflown = True
        if not self.filled.is_set():
            self.filled.set()

    def take(self, count: int) -> Rows[Record]:
        """Return the next rows to be sent, of `count` at most unless one key has more; `put` back what was not."""
        with self._lock:
            return self._waiting.take(max(count, _widest(self._waiting)))

    def sent(self, rows: Rows[Record]) -> None:
        """Remember rows as sent."""
        now = monotonic()
        with self._lock:
            self._sent.append((now, rows))
            self.total += len(rows)
            self._rows_sent += len(rows)
            while self._sent and (self._sent[0][0] < now - _LATELY or self._rows_sent > self._most):
                _, old = self._sent.popleft()
                self._rows_sent -= len(old)

    def again(self) -> None:
        """Have everything sent once more that was in the last minute."""
        with self._lock:
            again, self._sent, self._rows_sent = self._sent, deque(), 0
        for at, rows in again:
            if at >= monotonic() - _LATELY:
                for key, of_key in rows:
                    self.put(key, of_key)

    @property
    def lately(self) -> int:
        """How many rows were sent in the last minute."""
        with self._lock:
            since = monotonic() - _LATELY
            return sum(len(rows) for at, rows in self._sent if at >= since)


def _widest(rows: Rows[Record]) -> int:
    """Return how many rows the next key has: it is taken as a whole."""
    return next((len(of_key) for _, of_key in rows), 0)
