"""What a host says of itself twice a second, what it hears of the others, and whether it may share at all.

It may not where the keys are of another format, where another program has keys under our prefix, or where a clock is so
far off that rows would count too early or too late.
"""

from collections.abc import Callable, Sequence
from secrets import token_hex
from time import monotonic
from typing import NamedTuple

from milter64.mail.clean_text import clean
from milter64.sharing import members
from milter64.sharing.interface import Servers
from milter64.sharing.keys import EPOCH, FORMAT, FORMAT_KEY, MEMBERS, OURS, PREFIX, ROWS
from milter64.sharing.members import Member
from milter64.sharing.replies import MayNotShare, replies

_FAR = 300.0
"""Seconds that a host's time may be away from the server's."""
_STEPS = 1
"""Digits of it that count, of a second: were it measured anew to the millisecond, no row would be as it was before."""
_DAY = 86400.0
"""Seconds in which a host that is gone is still shown."""
_SCANNED = 1000
"""Keys that are looked through at a time."""


class Beat(NamedTuple):
    """What was heard: the server's time, in seconds since 1970, by how many ours is ahead, the epoch, all members."""

    at: float
    offset: float
    epoch: bytes
    members: list[Member]


class Heartbeat:
    """For one thread, that of the worker which has the role."""

    def __init__(self, servers: Servers, name: str, now: Callable[[], float]) -> None:
        """Call ourselves `name`; `now` is row time."""
        self._servers = servers
        self._name = name
        self._now = now

    def beat(self, before: float, say: Callable[[float, float], Member]) -> Beat:
        """Exchange news; `say` makes ours, of the server's time and our offset, which was `before` until now.

        Raises:
            ServersGone: the servers are out of reach.
            MayNotShare: we may not share.
        """
        self.check_format()
        at, offset = self.measured(before)
        ours_told = members.dump(say(at, offset))
        _, epoch, _, fields = replies(
            self._servers.send(
                MEMBERS,
                [
                    ("SET", EPOCH, token_hex(8), "NX"),
                    ("GET", EPOCH),
                    ("HSET", MEMBERS, self._name, ours_told),
                    ("HGETALL", MEMBERS),
                ],
            )
        )
        heard = members.read(dict(zip(fields[::2], fields[1::2], strict=True)))
        if long_gone := [member.host for member in heard if at - member.at > _DAY]:
            replies(self._servers.send(MEMBERS, [("HDEL", MEMBERS, *long_gone)]))
        self.check_clock(offset, heard)
        return Beat(at, offset, epoch or b"", heard)

    def measured(self, before: float) -> tuple[float, float]:
        """Return the server's time, and our offset, which is as `before` if it may be.

        Raises:
            ServersGone: the servers are out of reach.
            MayNotShare: we may not share.
        """
        began, ours = monotonic(), self._now()
        (clock,) = replies(self._servers.send(MEMBERS, [("TIME",)]))
        took = monotonic() - began
        at = int(clock[0]) + int(clock[1]) / 1e6
        measured = ours + took / 2 - at
        return at, before if abs(measured - before) <= took / 2 + 10**-_STEPS else round(measured, _STEPS)

    def check_clock(self, offset: float, heard: Sequence[Member]) -> None:
        """See that our time is near enough to the server's.

        Raises:
            MayNotShare: it isn't.
        """
        if abs(offset) > _FAR:
            apart = f"the clocks of this host and of the server are {abs(offset):.0f} s apart: have them set by NTP"
            raise MayNotShare(members.astray(self._name, heard) or apart)

    def check_format(self) -> None:
        """See that what is on the servers under our prefix is ours, and say so where nothing is.

        Raises:
            ServersGone: the servers are out of reach.
            MayNotShare: it isn't.
        """
        (found,) = replies(self._servers.send(FORMAT_KEY, [("GET", FORMAT_KEY)]))
        if found is None:
            self._check_others()
            _, found = replies(self._servers.send(FORMAT_KEY, [("SET", FORMAT_KEY, FORMAT, "NX"), ("GET", FORMAT_KEY)]))
        if found != str(FORMAT).encode():
            theirs = clean(found.decode(errors="replace")) if found else "none"
            raise MayNotShare(
                f"{FORMAT_KEY} on the server is {theirs}, and this milter64 shares by format {FORMAT}: "
                "have all hosts run one version, or give this one a db number of its own in greylist.store"
            )

    def _check_others(self) -> None:
        """See that nobody else has keys under our prefix, where we are the first."""
        for shard in self._servers.shards():
            cursor = b"0"
            while True:
                ((cursor, keys),) = replies(shard([("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", _SCANNED)]))
                for key in keys:
                    if not key.startswith((OURS.encode(), ROWS.encode())) and key != FORMAT_KEY.encode():
                        raise MayNotShare(
                            f"{clean(key.decode(errors='replace'))} on the server is none of ours, but begins with "
                            f"{PREFIX!r}: give milter64 a db number or a server of its own in greylist.store"
                        )
                if cursor == b"0":
                    break
