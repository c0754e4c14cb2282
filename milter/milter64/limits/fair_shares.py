"""Places that are shared fairly, so that nobody who wants many keeps others from one; pure, and for one thread at once.

Whoever holds some gets one more only while more than that are free. One who takes all that he can get leaves half of
the places, two leave a third, and whoever holds none gets in as long as there is any. He is known by his network, and
by the wider ones around it, which may hold twice as many each: to have many networks makes nobody many.

A place may also be held to wait for a domain, which is counted by the networks that wait for it. So many clients of one
silent domain leave room for those of others, and one client alone can close no domain to anybody else.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Generic, TypeVar

from milter64.address.client import Client


class Claim:
    """A claim to a place: of a client, to wait for some domains, each as often as there are questions about it."""

    def __init__(self, client: Client, domains: Iterable[str] = ()) -> None:
        self.networks = networks(client)
        self.domains = list(domains)


def networks(client: Client) -> tuple[bytes, ...]:
    """Return the first octets of a client's networks: /24 and /16, or a /64, a site's /48 and a provider's /32."""
    packed = client.packed
    if not client.origin.identifies:
        return (b"wire " + client.wire_packed,)
    return (packed[:3], packed[:2]) if len(packed) == 4 else (packed[:8], packed[:6], packed[:4])  # noqa: PLR2004  IPv4


_Claim = TypeVar("_Claim", bound=Claim)


class Shares:
    """So many places, and who holds them."""

    def __init__(self, places: int) -> None:
        self.places = self.free = places
        self._held: dict[bytes, int] = {}
        """Places by network."""
        self._waiting: dict[str, dict[bytes, int]] = {}
        """For each domain, the questions about it by the widest network."""

    def held(self, claim: Claim) -> int:
        """Return how many places a claim's narrowest network holds."""
        return self._held.get(claim.networks[0], 0)

    def take(self, claim: Claim) -> bool:
        """Give a claim its place, if it may have one."""
        allowed = self.free
        for network in claim.networks:
            if self._held.get(network, 0) >= allowed:
                return False
            allowed *= 2
        if self.closed(claim):
            return False
        self.free -= 1
        for network in claim.networks:
            _increase(self._held, network)
        for domain in claim.domains:
            _increase(self._waiting.setdefault(domain, {}), claim.networks[-1])
        return True

    def closed(self, claim: Claim) -> str:
        """Return a domain of a claim's for which nobody else may wait now, "" if there is none."""
        for domain in claim.domains:
            if len(self._waiting.get(domain, ())) >= self.free:
                return domain
        return ""

    def answered(self, claim: Claim, domain: str) -> None:
        """Note that a claim which has a place waits for one answer less about a domain."""
        claim.domains.remove(domain)
        self._stop_waiting(claim, domain)

    def give_back(self, claim: Claim) -> None:
        """Free the place of a claim."""
        for domain in claim.domains:
            self._stop_waiting(claim, domain)
        for network in claim.networks:
            _decrease(self._held, network)
        self.free += 1

    def _stop_waiting(self, claim: Claim, domain: str) -> None:
        waiting = self._waiting[domain]
        _decrease(waiting, claim.networks[-1])
        if not waiting:
            del self._waiting[domain]


_Standing = tuple[int, int]
"""How many of a claim's network stood in the line before it, and how many had come at all."""


class Turns(Generic[_Claim]):
    """So many places, and a line of those who wait for one; its places are shared in the same way."""

    def __init__(self, places: int, line: int) -> None:
        self._places = Shares(places)
        self._room = Shares(line)
        self._line: dict[_Claim, _Standing] = {}
        self._order: list[tuple[_Standing, _Claim]] = []
        self._came = 0

    @property
    def taken(self) -> tuple[int, int]:
        """How many places are taken, and how many there are."""
        return self._places.places - self._places.free, self._places.places

    @property
    def line(self) -> tuple[int, int]:
        """How many wait in the line, and how many may."""
        return len(self._line), self._room.places

    def take(self, claim: _Claim) -> bool:
        """Give a claim its place at once, if it may have one."""
        return self._places.take(claim)

    def line_up(self, claim: _Claim) -> bool:
        """Have a claim wait for its turn, if there is room in the line."""
        self._came += 1
        standing = self._room.held(claim), self._came
        if fits := self._room.take(claim):
            self._line[claim] = standing
            insort(self._order, (standing, claim))
        return fits

    def give_up(self, claim: _Claim) -> bool:
        """Take a claim out of the line; whether it was still in it, and so has no place."""
        standing = self._line.pop(claim, None)
        if standing is None:
            return False
        del self._order[bisect_left(self._order, (standing, claim))]
        self._room.give_back(claim)
        return True

    def answered(self, claim: _Claim, domain: str) -> list[_Claim]:
        """Note that a claim which has a place waits for one answer less, and return those whose turn it is now."""
        self._places.answered(claim, domain)
        return self._call()

    def leave(self, claim: _Claim) -> list[_Claim]:
        """Free the place of a claim, and return those whose turn it is now."""
        self._places.give_back(claim)
        return self._call()

    def _call(self) -> list[_Claim]:
        """Give a place to each in the line who may have one: first to the first of each network, and so on."""
        called: list[_Claim] = []
        closed = set[str]()  # what is closed to one is to all behind him, of whom there may be hundreds
        for _, claim in self._order if self._places.free else ():
            if not closed.isdisjoint(claim.domains):
                continue
            if self._places.take(claim):
                called.append(claim)
                if not self._places.free:
                    break
            elif domain := self._places.closed(claim):
                closed.add(domain)
        for claim in called:
            self.give_up(claim)
        return called


# A Counter does the same in several times the time.


def _increase(counts: dict[bytes, int], key: bytes) -> None:
    counts[key] = counts.get(key, 0) + 1


def _decrease(counts: dict[bytes, int], key: bytes) -> None:
    if counts[key] > 1:
        counts[key] -= 1
    else:
        del counts[key]
