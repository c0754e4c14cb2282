"""A client's address: the one on the wire, the one that it stands for, and what it is worth."""

from enum import StrEnum
from functools import lru_cache

from milter64.address.frozen_dataclass import frozen
from milter64.address.networks import unpack


class Origin(StrEnum):
    """How a client's address came to be what we take it for."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    MAPPED = "mapped"
    """IPv4 as ::ffff:0:0/96 (RFC 4291 2.5.5.2)."""
    TRANSLATED = "translated"
    """IPv4 behind a configured translator."""
    INVALID = "invalid"
    """Inside a configured prefix or mapping, and yet no legal translation (RFC 6052 2.2, 3.1; RFC 1812 5.3.7)."""
    UNDECODED = "undecoded"
    """In 64:ff9b::/96, 64:ff9b:1::/48 or a DNS64's prefix, and nothing configured covers it."""
    MASKED = "masked"
    """A shared gateway's address, which hides the client's."""
    UNKNOWN = "unknown"
    """No IP address at all, as over a unix socket."""

    @property
    def identifies(self) -> bool:
        """Whether the address is the client's own."""
        return self in _IDENTIFYING


_IDENTIFYING = frozenset({Origin.IPV4, Origin.IPV6, Origin.MAPPED, Origin.TRANSLATED})


@frozen
class Client:
    """A client: the address on the wire, and the one it stands for.

    `wire` and `address` are canonical texts, the same unless something was decoded, and empty for `unknown`; `packed`
    is `address` as bytes, `wire_packed` is `wire`. `via` is the prefix or mapping that decoded it, or a DNS64's prefix
    that it lies in. `private` says that the address is of private use, so that the public DNS knows nothing about it;
    `crowded`, that others whom we know of have addresses in the same /64 on the wire; `shared`, that so many speak from
    the one on the wire that it may be a gateway's.
    """

    wire: str
    wire_packed: bytes
    address: str
    packed: bytes
    origin: Origin
    private: bool = False
    via: str = ""
    crowded: bool = False
    shared: bool = False

    @property
    def ban(self) -> str:
        """What a firewall drops to keep this client out and no other: an address or a /64; empty where nothing does so.

        A firewall knows the address on the wire alone: of a translated client, it is that one. Of a native IPv6 client
        it is the /64, unless that is crowded: the /64 of 64:ff9b::/96 is all of IPv4. Behind an address that isn't the
        client's own, is shared, or is on the wire of private use, such as a container's gateway, there may be anybody.
        """
        if self.shared or not self.origin.identifies or (self.private and self.origin is not Origin.TRANSLATED):
            return ""
        if self.origin is Origin.IPV6 and not self.crowded:
            return self.network(32, 64)
        return self.address if self.origin is Origin.MAPPED else self.wire

    def network(self, ipv4_prefix: int, ipv6_prefix: int) -> str:
        """Return the network that the client stands for in lists and rows, such as "192.31.196.0/24".

        It is cut from the decoded address. Where that isn't the client's own, it is the single address on the wire.
        """
        if not self.origin.identifies:
            return self.wire and f"{self.wire}/{len(self.wire_packed) * 8}"
        packed = self.packed
        length = ipv4_prefix if len(packed) == 4 else ipv6_prefix  # noqa: PLR2004  an IPv4 address
        return _network(packed, length) if length < len(packed) * 8 else f"{self.address}/{length}"


REMEMBERED = 1024
"""Clients, and networks, that are kept ready: those that come often."""


@lru_cache(REMEMBERED)
def _network(packed: bytes, length: int) -> str:
    whole, bits = divmod(length, 8)
    first = packed[:whole]
    if bits:
        first += bytes([packed[whole] >> 8 - bits << 8 - bits])
    return f"{unpack(first.ljust(len(packed), bytes(1)))}/{length}"


UNKNOWN = Client(wire="", wire_packed=b"", address="", packed=b"", origin=Origin.UNKNOWN)
