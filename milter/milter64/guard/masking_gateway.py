"""Tells a gateway, behind which all the world's clients hide, from a host that merely connects often.

A host has a few names of its own to say HELO with, however often it comes. Behind a gateway they are those of all its
clients, and so are the sender domains. Time is an argument, in seconds of a clock that never goes back.
"""

from collections import Counter, OrderedDict
from typing import Generic, TypeVar

MANY = 20
"""Names that nobody has by himself."""
WINDOW = 86400.0
"""Seconds within which they are said: in an hour, a small server doesn't see so many senders."""
_ADDRESSES = 64
"""That are listened to, and as many gateways are known at once; a client that has many could be any number."""
_LONGEST = 255

T = TypeVar("T")


class _Addresses(OrderedDict[bytes, tuple[str, T]], Generic[T]):
    """So many addresses, each with its network and what is known of it.

    Of the network that has most of them the one goes first that was put longest ago: no network crowds out another's.
    """

    def put(self, address: bytes, network: str, known: T) -> None:
        self[address] = network, known
        self.move_to_end(address)
        if len(self) > _ADDRESSES:
            crowded, _ = Counter(each for each, _ in self.values()).most_common(1)[0]
            del self[next(address for address, (each, _) in self.items() if each == crowded)]


class _Latest:
    """The latest `MANY` different names, with when each was said last."""

    def __init__(self) -> None:
        self._said: OrderedDict[str, float] = OrderedDict()

    def add(self, name: str, now: float) -> None:
        if name:
            name = name[:_LONGEST].lower()
            self._said[name] = now
            self._said.move_to_end(name)
            if len(self._said) > MANY:
                self._said.popitem(last=False)

    def many(self, now: float) -> bool:
        return len(self._said) >= MANY and next(iter(self._said.values())) > now - WINDOW


class NamesByAddress:
    """Counts the names that are said from each address, and keeps those that show to be gateways'."""

    def __init__(self) -> None:
        self._heard: _Addresses[tuple[_Latest, _Latest]] = _Addresses()
        self._shown: _Addresses[float] = _Addresses()

    def hear(self, address: bytes, network: str, helo: str, domain: str, now: float) -> bool:
        """Take note of a HELO name and a sender domain; return whether the address shows to be a gateway's.

        It is one where both, `MANY` HELO names and `MANY` domains, were said within `WINDOW`.
        """
        _, names = self._heard.get(address) or (network, (_Latest(), _Latest()))
        self._heard.put(address, network, names)
        for latest, name in zip(names, (helo, domain), strict=True):
            latest.add(name, now)
        shows = all(latest.many(now) for latest in names)
        if shows:
            self._shown.put(address, network, now)
        return shows

    def gateways(self, now: float) -> frozenset[bytes]:
        """Return the addresses that have shown to be gateways' within `WINDOW`, the latest ones."""
        return frozenset(address for address, (_, last) in self._shown.items() if last > now - WINDOW)
