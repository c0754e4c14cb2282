"""Makes room on the servers where there are too many rows: the same give way as in a host's own store.

The server's own policies know nothing of networks, so none of them will do. One host at a time goes through all rows
twice: it counts, and then takes out what is too much. Meanwhile no host adds rows that wait.
"""

from collections import Counter
from collections.abc import Iterator

from milter64.greylist.row import Record, RecordKind
from milter64.sharing import row_texts
from milter64.sharing.interface import Servers
from milter64.sharing.keys import ROOM
from milter64.sharing.replies import replies
from milter64.sharing.scanning import scanned
from milter64.store.eviction import Quota, surpluses, wide

MOST = 10_000_000
"""Rows on all servers together."""
_LOCKED = 600_000
"""Milliseconds after which a host that makes room is taken for dead."""
_BLOCKS = 200_000
"""Networks whose rows are counted at a time: all but the smallest."""
_HOUR = 3600.0

TAKE = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
    redis.call('HDEL', KEYS[1], ARGV[1])
    return 1
end
return 0
"""
"""Takes out a row, unless it has moved since."""


class Room:
    """For one thread, that of the worker which has the role."""

    def __init__(self, servers: Servers, host: str, kind: RecordKind, *, most: int = MOST) -> None:
        self._servers = servers
        self._host = host
        self._kind = kind
        self._most = most

    def rows(self) -> int:
        """Return how many keys there are, those of others in the same database included.

        Raises:
            ServersGone: the servers are out of reach.
        """
        futures = [shard([("DBSIZE",)]) for shard in self._servers.shards()]
        return sum(replies(future)[0] for future in futures)

    def lacks(self, rows: int) -> bool:
        """Whether so many are too many."""
        return rows > self._most

    def steps(self, offset: float) -> Iterator[None]:
        """Make room, a step at a time, unless another host does. `offset` is as `row_texts.load` has it.

        Raises:
            ServersGone: the servers are out of reach; it is to be begun anew.
        """
        (locked,) = replies(self._servers.send(ROOM, [("SET", ROOM, self._host, "NX", "PX", _LOCKED)]))
        if not locked:
            return
        try:
            yield from self._make_room(offset)
        finally:
            self._servers.send(ROOM, [("DEL", ROOM)])

    def _make_room(self, offset: float) -> Iterator[None]:
        kind, blocks, hours = self._kind, Counter[int](), Counter[int]()
        for _, _, row, block in self._rows(offset):
            if row is None:
                yield
            elif not kind.waits(row):
                hours[int(kind.expires(row) // _HOUR)] += 1
            elif block in blocks or len(blocks) < _BLOCKS:
                blocks[block] += 1
        waiting = sum(blocks.values())
        passed_surplus, waiting_surplus = surpluses(waiting + sum(hours.values()), waiting, self._most)
        wides = Counter[int]()
        for block, count in blocks.items():
            wides[wide(block)] += count
        quota = Quota(list(wides.items()), waiting_surplus)
        quota.narrow(list(blocks.items()))
        last = _last_hour(hours, passed_surplus)
        for key, group, row, block in self._rows(offset):
            if row is None:
                yield
                continue
            if kind.waits(row):
                goes = quota.takes(block)
            else:
                goes = passed_surplus > 0 and kind.expires(row) // _HOUR <= last
                passed_surplus -= goes
            if goes:
                self._servers.send(key, [("EVAL", TAKE, 1, key, group, row_texts.dump(row, offset))])

    def _rows(self, offset: float) -> Iterator[tuple[str, str, Record | None, int]]:
        """Yield key, group, row and block of each row, and no row between round trips."""
        for key, reply in scanned(self._servers):
            if reply is None:
                yield "", "", None, 0
                continue
            for group, row in row_texts.load_hash(reply, offset).items():
                yield key, group, row, self._kind.block(group)


def _last_hour(hours: Counter[int], surplus: int) -> int:
    """Return the hour up to which rows must go for there to be no `surplus`."""
    gone, hour = 0, 0
    for hour in sorted(hours):
        gone += hours[hour]
        if gone >= surplus:
            break
    return hour
