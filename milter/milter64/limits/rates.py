"""How many sessions, recipients and refused recipients each network may have in a time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from milter64.address.client import Client
from milter64.address.frozen_dataclass import frozen
from milter64.limits.rate_table import Counter, RateTable
from milter64.limits.settings import KINDS, LEVELS, RATE, REFUSED, Rate, Settings
from milter64.mail.finding import Finding

_BLOCKS = {4: 2, 16: 4}
"""Octets of the block of addresses, a /16 or /32, whose counters are together, by the octets of an address."""
_CLIENTS = 1024
"""Clients whose counters' places are kept ready: those that come often."""


@frozen
class _Counters:
    """What a session counts by, what a recipient does, and one who is refused."""

    session: Sequence[Counter]
    recipient: Sequence[Counter]
    refused: Sequence[Counter]


class Takes(Protocol):
    """Counts what is taken, as `RateTable` does."""

    def take(self, counters: Sequence[Counter], /) -> tuple[Counter, int] | None:
        """Count one more by all counters; if any is used up, none, and return that with the seconds to wait."""


class Rates:
    """The limits, kept by all processes that share a table; thread-safe.

    `shared` counts by that table, and together with other hosts.
    """

    def __init__(self, settings: Settings, table: RateTable, shared: Takes | None = None) -> None:
        self._limits = settings.limits
        self._table = table
        self._shared = shared
        self._takes: Takes = shared or table
        self._counters = lru_cache(_CLIENTS)(self._made)

    @property
    def refusals(self) -> bool:
        """Whether there is a limit of recipients that are refused."""
        return bool(self._limits[REFUSED])

    @property
    def bound(self) -> tuple[int, int]:
        """How many counters there are in the table, and how many may be."""
        return self._table.bound

    def session(self, client: Client) -> Finding | None:
        """Count a session, or return that it is one too many."""
        return self._take(client, self._counters(*_counted(client)).session)

    def recipient(self, client: Client) -> Finding | None:
        """Count a recipient, or return that it is one too many, or that too many were refused."""
        return self._take(client, self._counters(*_counted(client)).recipient)

    def refused(self, client: Client) -> None:
        """Count a recipient that was refused for good."""
        self._take(client, self._counters(*_counted(client)).refused)

    def _take(self, client: Client, counters: Sequence[Counter]) -> Finding | None:
        if not counters or not (used_up := self._takes.take(counters)):
            return None
        counter, seconds = used_up
        kind, level = divmod(counter.limit, len(LEVELS))
        return _excess(client, KINDS[kind], list(LEVELS)[level], seconds)

    def _made(self, packed: bytes, levels: Sequence[str]) -> _Counters:
        block = packed[: _BLOCKS[len(packed)]] if len(levels) > 1 else packed
        segment = self._table.segment(block)

        def counters(kind: int) -> list[Counter]:
            rates = self._limits[KINDS[kind]]
            return [
                self._counter(block, segment, kind, level, packed, rates[level]) for level in levels if level in rates
            ]

        session, recipient, refused = map(counters, range(len(KINDS)))
        looked_at = [replace(counter, takes=False) for counter in refused]
        return _Counters(session=session, recipient=[*recipient, *looked_at], refused=refused)

    def _counter(  # noqa: PLR0913, PLR0917  it is all of these
        self, block: bytes, segment: int, kind: int, level: str, packed: bytes, rate: Rate
    ) -> Counter:
        limit = kind * len(LEVELS) + list(LEVELS).index(level)
        _, length = LEVELS[level]
        network = packed[: length // 8]
        name, begins = self._table.place(segment, limit, network)
        known_as = f"{{{block.hex()}}}:{KINDS[kind]}:{level}:{network.hex()}" if self._shared else ""
        interval = rate.seconds / rate.count
        return Counter(limit=limit, name=name, begins=begins, interval=interval, period=rate.seconds, known_as=known_as)


def levels(client: Client) -> Sequence[str]:
    """Return the levels that a client counts by: those of its family, the narrowest first.

    Where the address isn't the client's own, it is that level alone, as others' may be beside it; without an address
    there is none.
    """
    return _counted(client)[1]


def _counted(client: Client) -> tuple[bytes, Sequence[str]]:
    """Return the address that a client counts by, and the levels."""
    if client.origin.identifies:
        return client.packed, _BY_OCTETS[len(client.packed)]
    return client.wire_packed, _BY_OCTETS[len(client.wire_packed)][:1]


_BY_OCTETS: Mapping[int, Sequence[str]] = {
    octets: tuple(level for level, (size, _) in LEVELS.items() if size == octets) for octets in (0, 4, 16)
}


def _excess(client: Client, kind: str, level: str, seconds: int) -> Finding:
    """Return that a limit is used up."""
    _, length = LEVELS[level]
    network = client.network(length, length)
    reason = f"too many {kind.replace('_', ' ')} from {network}"
    facts = (("seconds", str(seconds)), ("network", network))
    return Finding(check=RATE, property=kind, result=level, reason=reason, facts=facts)
