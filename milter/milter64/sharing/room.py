"""Makes room on the servers where there are too many rows: the same give way as in a host's own store.

The server's own policies know nothing of networks, so none of them will do. One host at a time goes through all rows
twice: it counts, and then takes out what is too much. Meanwhile no host adds rows that wait.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from time import monotonic

from milter64.greylist.row import Record, RecordKind
from milter64.sharing import row_texts
from milter64.sharing.interface import Command, Servers, ServersGone
from milter64.sharing.keys import ROOM, ROWS
from milter64.sharing.replies import answers, replies
from milter64.sharing.scanning import scanned
from milter64.store.eviction import Quota, surpluses, wide

MOST = 10_000_000
"""Rows on all servers together."""
_SAMPLE = 200
"""Keys of a server by which it is told how many rows each has."""
_LOCKED = 60_000
"""Milliseconds after which a host that makes room is taken for dead."""
_STILL_THERE = 10.0
"""Seconds after which it says that it is not."""
_AGAIN = 600_000
"""Milliseconds until somebody looks again where nothing had to go: it was merely estimated that something would."""
_BLOCKS = 200_000
"""Networks that are told apart, those whose rows come up first: the largest are among them."""
_OTHERS = 1 << 64
"""Stands for the block of all the others."""
_HOUR = 3600.0

TAKE = """
local gone = 0
for at = 1, #ARGV, 2 do
    if redis.call('HGET', KEYS[1], ARGV[at]) == ARGV[at + 1] then
        gone = gone + redis.call('HDEL', KEYS[1], ARGV[at])
    end
end
return gone
"""
"""Takes out rows, given by group and text, unless they have moved since."""
HOLD = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""
"""Holds the lock for so many milliseconds more, if it is ours."""


class Room:
    """For one thread, that of the worker which has the role."""

    def __init__(self, servers: Servers, host: str, kind: RecordKind, *, most: int = MOST) -> None:
        self._servers = servers
        self._host = host
        self._kind = kind
        self._most = most

    def rows(self) -> int:
        """Return how many rows there are, about.

        Raises:
            ServersGone: the servers are out of reach.
        """
        found = 0.0
        for shard in self._servers.shards():
            size, *some = replies(shard([("DBSIZE",), *[("RANDOMKEY",)] * _SAMPLE]))
            ours = [key for key in some if key and key.startswith(ROWS.encode())]
            lengths = answers(shard([("HLEN", key) for key in ours])) if ours else []
            found += size / _SAMPLE * sum(length for length in lengths if isinstance(length, int))
        return round(found)

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
        pause = 0
        try:
            choice = _Choice(self._kind)
            for _, rows in self._pairs(offset):
                choice.count(rows)
                if not rows:
                    yield
            if not choice.choose(self._most):
                pause = _AGAIN
                return
            for key, rows in self._pairs(offset):
                if gone := choice.those(rows):
                    texts = [text for group in gone for text in (group, row_texts.dump(rows[group], offset))]
                    self._servers.send(key, [("EVAL", TAKE, 1, key, *texts)])
                elif not rows:
                    yield
        except _TakenOver:
            return
        finally:
            with suppress(ServersGone):
                self._servers.send(ROOM, [self._hold(pause)])

    def _hold(self, milliseconds: int) -> Command:
        return ["EVAL", HOLD, 1, ROOM, self._host, milliseconds]

    def _pairs(self, offset: float) -> Iterator[tuple[str, Mapping[str, Record]]]:
        """Yield the key of each pair and its rows, and no rows between round trips.

        Raises:
            _TakenOver: another host took us for dead, and makes room.
        """
        said_at = monotonic()
        for key, reply in scanned(self._servers):
            if reply is not None:
                yield key, row_texts.load_hash(reply, offset)
                continue
            if monotonic() >= said_at + _STILL_THERE:
                said_at = monotonic()
                if not replies(self._servers.send(ROOM, [self._hold(_LOCKED)]))[0]:
                    raise _TakenOver
            yield "", {}


class _TakenOver(Exception):  # noqa: N818  no error
    """Another host makes room."""


class _Choice:
    """Which rows give way: all are counted, and then asked about one by one."""

    def __init__(self, kind: RecordKind) -> None:
        self._kind = kind
        self._blocks = Counter[int]()
        self._hours = Counter[int]()

    def count(self, rows: Mapping[str, Record]) -> None:
        """Count rows, by group."""
        kind, blocks = self._kind, self._blocks
        for group, row in rows.items():
            if kind.waits(row):
                block = kind.block(group)
                blocks[block if block in blocks or len(blocks) < _BLOCKS else _OTHERS] += 1
            else:
                self._hours[int(kind.expires(row) // _HOUR)] += 1

    def choose(self, most: int) -> bool:
        """Choose so that no more than that are left, and return whether any give way."""
        waiting, wides = sum(self._blocks.values()), Counter[int]()
        for block, count in self._blocks.items():
            wides[wide(block)] += count
        self._passed, surplus = surpluses(waiting + sum(self._hours.values()), waiting, most)
        self._quota = Quota(list(wides.items()), surplus)
        self._quota.narrow(list(self._blocks.items()))
        self._last = _last_hour(self._hours, self._passed)
        return bool(self._passed or surplus)

    def those(self, rows: Mapping[str, Record]) -> list[str]:
        """Return the groups of those rows that give way."""
        return [group for group, row in rows.items() if self._goes(group, row)]

    def _goes(self, group: str, row: Record) -> bool:
        if self._kind.waits(row):
            block = self._kind.block(group)
            return self._quota.takes(block if block in self._blocks else _OTHERS)
        goes = self._passed > 0 and self._kind.expires(row) // _HOUR <= self._last
        self._passed -= goes
        return goes


def _last_hour(hours: Counter[int], surplus: int) -> int:
    """Return the hour up to which rows must go for there to be no `surplus`."""
    gone, hour = 0, 0
    for hour in sorted(hours):
        gone += hours[hour]
        if gone >= surplus:
            break
    return hour
