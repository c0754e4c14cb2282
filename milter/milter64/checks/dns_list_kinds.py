"""What DNS lists have entries of, and by what to tell whether one works (RFC 5782 5)."""

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from secrets import token_hex

from milter64.address.networks import pack
from milter64.checks.iprev import reversed_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a list has entries of.

    `tests` are what must be listed and what must not, and `listed` and `unlisted` how they are asked for; of several
    `listed` one is enough. `fresh` makes names that can't be listed.
    """

    name: str
    tests: tuple[str, str]
    listed: tuple[str, ...]
    unlisted: str
    fresh: Callable[[], tuple[str, ...]]
    optional: bool = False
    """Whether a list may well have none of the kind."""


_chance = SystemRandom()


def _fresh_ipv4() -> tuple[str, ...]:
    return _label(), reversed_text(pack(f"127.{_byte()}.{_byte()}.{_byte()}"))


def _fresh_ipv6() -> tuple[str, ...]:
    return _label(), reversed_text(pack(f"::ffff:127.{_byte()}.{_byte()}.{_byte()}"))


def _fresh_name() -> tuple[str, ...]:
    return (f"{_label()}.invalid",)


def _byte() -> int:
    return _chance.randrange(1, 255)


def _label() -> str:
    """Return a name that is no address.

    A wildcard of the zone matches it, and not what is below 127 where the zone has anything there (RFC 4592 2.2.1).
    """
    return f"x{token_hex(8)}"


_TWO, _ONE = "::ffff:127.0.0.2", "::ffff:127.0.0.1"
IPV4 = Kind(
    name="IPv4 addresses",
    tests=("127.0.0.2", "127.0.0.1"),
    listed=("2.0.0.127",),
    unlisted="1.0.0.127",
    fresh=_fresh_ipv4,
)
IPV6 = Kind(
    name="IPv6 addresses",
    tests=(_TWO, _ONE),
    listed=(reversed_text(pack(_TWO)),),
    unlisted=reversed_text(pack(_ONE)),
    fresh=_fresh_ipv6,
    optional=True,
)
NAMES = Kind(
    name="names",
    tests=("TEST or 127.0.0.2", "INVALID"),
    listed=("test", "2.0.0.127"),  # URIBL's, say, which are lists of addresses as well, have the second alone
    unlisted="invalid",
    fresh=_fresh_name,
)
