"""What a worker has yet to tell the other hosts, and what it has told them in the last minute."""

from collections import deque
from collections.abc import Mapping
from threading import Event, Lock
from time import monotonic

from milter64.greylist.row import Record, RecordKind
from milter64.sharing import feed
from milter64.store.memory_store import Rows

MOST = 100_000
"""Rows that may wait. Beyond them everything is sent again from the host's own store, once it can be."""
_MOST_OCTETS = 16 * 2**20
"""Of what was sent lately: some 200,000 rows."""
_LATELY = 60.0
"""Seconds in which a server may lose what it had acknowledged, as it does when another one takes its place."""


class Outbox:
    """Every thread may call everything."""

    def __init__(self, kind: RecordKind, *, most: int = MOST) -> None:
        self._kind = kind
        self._most = most
        self._lock = Lock()
        self._waiting: Rows[Record] = Rows(kind)
        self._sent = deque[tuple[float, int, bytes, float]]()
        self._octets = 0
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

    def sent(self, rows: int, batch: bytes, offset: float) -> None:
        """Remember that so many rows were sent, as a batch of the feed; see `feed.packed`."""
        now = monotonic()
        with self._lock:
            self._sent.append((now, rows, batch, offset))
            self.total += rows
            self._octets += len(batch)
            while self._sent and (self._sent[0][0] < now - _LATELY or self._octets > _MOST_OCTETS):
                self._octets -= len(self._sent.popleft()[2])

    def again(self) -> None:
        """Have everything sent once more that was in the last minute."""
        since = monotonic() - _LATELY
        with self._lock:
            again, self._sent, self._octets = self._sent, deque(), 0
        for at, _, batch, offset in again:
            if at >= since:
                for key, rows in feed.unpacked(batch, offset).items():
                    self.put(key, rows)

    @property
    def lately(self) -> int:
        """How many rows were sent in the last minute."""
        with self._lock:
            since = monotonic() - _LATELY
            return sum(rows for at, rows, _, _ in self._sent if at >= since)


def _widest(rows: Rows[Record]) -> int:
    """Return how many rows the next key has: it is taken as a whole."""
    return next((len(of_key) for _, of_key in rows), 0)
