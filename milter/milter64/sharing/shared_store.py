"""The greylist's rows over several hosts: a host's own store, into which what the others know comes behind.

    read  ---> own store ---(only while we are not whole)---> asked of the servers, once, and merged into the own
    merge ---> own store, and the outbox

Rows that were loaded from the servers have a digest for a key, as nobody knows there whose they are. Who reads a pair
for the first time looks under its digest too, and from then on they are the pair's.
"""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from time import monotonic

from milter64.greylist.row import Record, RecordKind
from milter64.limits.bounded_cache import Cache
from milter64.sharing import row_texts
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Servers, ServersGone
from milter64.sharing.keys import LOADED, digest, rows_of
from milter64.sharing.outbox import Outbox
from milter64.store.eviction import united
from milter64.store.interface import Store

_CAPACITY = 2 * 2**20
"""Octets of what is known of pairs that were read: some 10,000."""
_LARGEST = 2048
_ASK_AGAIN = 60.0
"""Seconds after which a pair that lets messages pass is asked for again, while we are not whole."""

_Seen = tuple[float, float]
"""In which edition of loaded rows a pair was looked for there, and when it was asked of the servers."""


class SharedStore:
    """A `Store` of records; every thread may call everything."""

    def __init__(self, own: Store[Record], kind: RecordKind, servers: Servers, state: HostState) -> None:
        """Take over the host's own store."""
        self.own = own
        self.outbox = Outbox(kind)
        self._kind = kind
        self._servers = servers
        self._state = state
        self._seen: Cache[str, _Seen] = Cache(_CAPACITY, _LARGEST, lambda key, _: len(key))

    def read(self, key: str) -> Mapping[str, Record]:
        """Return the rows of a key by group, as far as our own store and, if need be, the servers can tell.

        Raises:
            StoreGone: our own store can't tell.
        """
        rows = self.own.read(key)
        loads, whole = self._state.loads, self._state.whole
        seen = self._seen.get(key)
        if seen and seen[0] == loads:
            if whole or (monotonic() - seen[1] < _ASK_AGAIN and not all(map(self._kind.waits, rows.values()))):
                return rows
        else:
            rows = self._with(key, rows, self.own.read(f"{LOADED}{digest(key)}"))
        asked = -inf
        if not whole and (told := self._ask(key)) is not None:
            rows, asked = self._with(key, rows, told), monotonic()
        if rows:  # a flood, whose pairs have none, pushes out nobody
            self._seen.put(key, (loads, asked))
        return rows

    def merge(self, key: str, rows: Mapping[str, Record]) -> None:
        """Merge rows into those of a key here, and on all hosts within a second or so."""
        rows = {group: row_texts.rounded(row) for group, row in rows.items()}
        self.own.merge(key, rows)
        self.outbox.put(key, rows)

    def everything(self) -> Iterator[tuple[str, str, Record]]:
        """Yield key, group and row of all that our own store has."""
        return self.own.everything()

    def expire(self, now: float) -> None:
        """Forget here the rows that have expired; the servers do it by themselves."""
        self.own.expire(now)

    def latest(self) -> float | None:
        """Return the latest time in any row of our own store."""
        return self.own.latest()

    def sizes(self) -> Mapping[str, int]:
        """Return how much there is in our own store."""
        return self.own.sizes()

    @property
    def caps(self) -> Mapping[str, int]:
        """How much there may be."""
        return self.own.caps

    @property
    def gone(self) -> bool:
        """Whether our own store can't be used now."""
        return self.own.gone

    def happenings(self) -> Mapping[str, int]:
        """Return what has happened to our own store how often since the start."""
        return self.own.happenings()

    def close(self) -> None:
        """Write what is left to write in our own store."""
        self.own.close()

    def _with(self, key: str, rows: Mapping[str, Record], others: Mapping[str, Record]) -> Mapping[str, Record]:
        """Return rows with those of others merged in; our own store has them then too."""
        if not others or (merged := united(self._kind, rows, others)) == rows:
            return rows
        self.own.merge(key, others)
        return merged

    def _ask(self, key: str) -> Mapping[str, Record] | None:
        """Return what the servers know of a key, None where they can't be asked."""
        if not self._state.allowed:
            return None
        try:
            (reply,) = self._servers.ask(rows_of(key), [("HGETALL", rows_of(key))])
            return row_texts.load_hash(reply, self._state.offset)
        except (ServersGone, AttributeError, TypeError):  # nothing, or an answer that is no hash
            return None


def known_here(read: Callable[[str], Mapping[str, Record]], kind: RecordKind, key: str) -> Mapping[str, Record]:
    """Return the rows of a key by group that a host's own store has, those that were loaded included.

    `read` is the store's, and raises what that does.
    """
    return united(kind, read(key), read(f"{LOADED}{digest(key)}"))
