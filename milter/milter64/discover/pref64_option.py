"""RFC 8781: how the prefix of a NAT64 is written in a router advertisement, which router_advertisement.py hears."""

from collections.abc import Iterator
from dataclasses import dataclass

from milter64.address.networks import unpack
from milter64.address.translation_prefix import Prefix

_TYPE = 38
_LENGTH = 2
"""An option's length in units of 8 octets (RFC 8781 4)."""
_PREFIX_LENGTHS = (96, 64, 56, 48, 40, 32)
"""By Prefix Length Code."""
_ADVERTISEMENT = 134
_HEAD = 16
"""Octets of a router advertisement before its options (RFC 4861 4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pref64:
    """A PREF64 option; `lifetime` in seconds, 0 for a prefix that should not be used any more."""

    prefix: Prefix
    lifetime: int


def read(message: bytes) -> list[Pref64] | None:
    """Return the PREF64 options of a router advertisement, an ICMPv6 message; None if it is no valid one.

    An option that RFC 8781 4 has the receiver ignore, or whose prefix RFC 6052 doesn't allow, is left out.
    """
    if len(message) < _HEAD or message[0] != _ADVERTISEMENT or message[1]:
        return None
    options = list(_options(message[_HEAD:]))
    if None in options:
        return None
    return [pref64 for option in options if option and (pref64 := _pref64(option))]


def _options(rest: bytes) -> Iterator[bytes | None]:
    """Yield the options, None for one whose length can't be right (RFC 4861 6.1.2)."""
    while rest:
        octets = rest[1] * 8 if len(rest) > 1 else 0
        if not 0 < octets <= len(rest):
            yield None
            return
        yield rest[:octets]
        rest = rest[octets:]


def _pref64(option: bytes) -> Pref64 | None:
    if option[0] != _TYPE or option[1] != _LENGTH:
        return None
    scaled = int.from_bytes(option[2:4])
    lifetime, code = scaled & ~7, scaled & 7  # 13 bits in units of 8 seconds, and 3 bits
    if code >= len(_PREFIX_LENGTHS):
        return None
    length = _PREFIX_LENGTHS[code]
    try:
        prefix = Prefix(f"{unpack(option[4 : 4 + length // 8].ljust(16, bytes(1)))}/{length}")
    except ValueError:
        return None
    return Pref64(prefix=prefix, lifetime=lifetime)
