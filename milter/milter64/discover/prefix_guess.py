"""Addresses that look like a translator's: an IPv4 address where RFC 6052 has one, zeros where it wants zeros.

One address says little, since anybody may number hosts so. Many, with IPv4 addresses from all over the world behind one
prefix, are hardly chance.
"""

from collections import OrderedDict
from collections.abc import Iterator

from milter64.address.networks import NON_GLOBAL_IPV4, pack, unpack
from milter64.address.translation_prefix import Prefix

ENOUGH = 20
"""Clients behind one prefix that are no chance, and"""
SPREAD = 8
"""the blocks of IPv4, by the first octet, that they come from."""
_ENDS = ((32, 8), (40, 10), (48, 11), (56, 12), (64, 13), (96, 16))
"""Each length of a prefix, and the first octet behind the IPv4 address: zeros from there on (RFC 6052 2.2)."""
_WELL_KNOWN, _WHOLE = pack("64:ff9b::")[:12], 96
_MULTICAST = 224
_U_OCTET = 8
_PREFIXES = 512
_CLIENTS = 100
"""Prefixes watched, and clients kept of each: who sends from random addresses can't fill more."""


def guess(packed: bytes) -> Prefix | None:
    """Return the prefix that an address of 16 bytes, known for a translator's, most likely lies in."""
    return next((_prefix(*key) for key, _ in _readings(packed)), None)


_Key = tuple[int, bytes]
"""A prefix as its length, in bits, and its octets."""


def _readings(packed: bytes) -> Iterator[tuple[_Key, bytes]]:
    """Yield the prefixes that an address may lie in, the shortest first, each with the IPv4 address it would have.

    Every native client's address comes by here: what rules most of them out costs least.
    """
    if packed[_U_OCTET]:
        return
    used = len(packed.rstrip(b"\0"))
    for length, end in _ENDS:
        octets = length // 8
        if used <= end and 0 < packed[octets if octets != _U_OCTET else octets + 1] < _MULTICAST:
            ipv4 = packed[octets:end] if octets > _U_OCTET else (packed[octets:8] + packed[9:end])
            if ipv4 not in NON_GLOBAL_IPV4 and (length == _WHOLE or packed[:octets] != _WELL_KNOWN[:octets]):
                yield (length, packed[:octets]), ipv4


def _prefix(length: int, octets: bytes) -> Prefix:
    return Prefix(f"{unpack(octets.ljust(16, bytes(1)))}/{length}")


class Shapes:
    """Finds prefixes that many clients, taken for native IPv6, have in common; for one thread."""

    def __init__(self) -> None:
        self._seen: OrderedDict[_Key, dict[bytes, bytes]] = OrderedDict()

    def add(self, packed: bytes) -> dict[str, list[bytes]]:
        """Take note of an address of 16 bytes.

        Returns: those of the prefixes that it may lie in which have shown to be a translator's by now, each with the
        addresses seen in it.
        """
        return {
            _prefix(*key).text: list(self._seen[key])
            for key, ipv4 in _readings(packed)
            if self._note(key, packed, ipv4)
        }

    def _note(self, key: _Key, packed: bytes, ipv4: bytes) -> bool:
        seen = self._seen.setdefault(key, {})
        self._seen.move_to_end(key)
        if len(self._seen) > _PREFIXES:
            self._seen.popitem(last=False)
        if len(seen) < _CLIENTS:
            seen[packed] = ipv4
        return len(seen) >= ENOUGH and len({each[0] for each in seen.values()}) >= SPREAD
