"""Tells a gateway, behind which all the world's clients hide, from a host that merely connects often.

A host has a few names of its own to say HELO with, however often it comes. Behind a gateway they are those of all its
clients, and so are the sender domains. Time is an argument, in seconds of a clock that never goes back.
"""

from collections import OrderedDict

MANY = 20
"""Names that nobody has by himself."""
WINDOW = 86400.0
"""Seconds within which they are said: in an hour, a small server doesn't see so many senders."""
_ADDRESSES = 64
_LONGEST = 255


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
    """Counts the names that are said from each address; the address heard of longest ago goes first."""

    def __init__(self) -> None:
        self._heard: OrderedDict[bytes, tuple[_Latest, _Latest]] = OrderedDict()

    def hear(self, address: bytes, helo: str, domain: str, now: float) -> bool:
        """Take note of a HELO name and a sender domain; return whether the address shows to be a gateway's.

        It is one where both, `MANY` HELO names and `MANY` domains, were said within `WINDOW`.
        """
        names = self._heard.setdefault(address, (_Latest(), _Latest()))
        self._heard.move_to_end(address)
        if len(self._heard) > _ADDRESSES:
            self._heard.popitem(last=False)
        for latest, name in zip(names, (helo, domain), strict=True):
            latest.add(name, now)
        return all(latest.many(now) for latest in names)
