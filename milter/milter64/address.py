"""Who is really calling: IPv4 addresses inside IPv6 ones, decoded once and encoded for people.

Explicit mappings (RFC 7757) go before prefixes (RFC 6052). `::ffff:0:0/96` is how a socket shows IPv4.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from milter64.networks import PRIVATE, Networks, pack, unpack
from milter64.prefix import WELL_KNOWN, Mapping, Pattern, Prefix

__all__ = ["Client", "Mapping", "Origin", "Pattern", "Prefix", "Translator"]


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


_MAPPED = bytes(10) + b"\xff\xff"
_LOCAL_USE = pack("64:ff9b:1::")[:6]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client: the address on the wire, and the one it stands for.

    `wire` and `address` are canonical texts, the same unless something was decoded, and empty for `unknown`; `packed`
    is `address` as bytes, `wire_packed` is `wire`. `via` is the prefix or mapping that decoded it, or a DNS64's prefix
    that it lies in. `private` says that the address is of private use, so that the public DNS knows nothing about it;
    `crowded`, that others whom we know of have addresses in the same /64 on the wire.
    """

    wire: str
    wire_packed: bytes
    address: str
    packed: bytes
    origin: Origin
    private: bool = False
    via: str = ""
    crowded: bool = False

    @property
    def ban(self) -> str:
        """What a firewall drops to keep this client out and no other: an address or a /64; empty where nothing does so.

        A firewall knows the address on the wire alone: of a translated client, it is that one. Of a native IPv6 client
        it is the /64, unless that is crowded: the /64 of 64:ff9b::/96 is all of IPv4. Behind an address that isn't the
        client's own, or is on the wire of private use, such as a container's gateway, there may be anybody.
        """
        if not self.origin.identifies or (self.private and self.origin is not Origin.TRANSLATED):
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
        return _network(packed, ipv4_prefix if len(packed) == 4 else ipv6_prefix)  # noqa: PLR2004  an IPv4 address


_REMEMBERED = 4096
"""Clients, and networks, that are kept ready: those that come often."""


@lru_cache(_REMEMBERED)
def _network(packed: bytes, length: int) -> str:
    host_bits = len(packed) * 8 - length
    first = int.from_bytes(packed) >> host_bits << host_bits
    return f"{unpack(first.to_bytes(len(packed)))}/{length}"


_UNKNOWN = Client(wire="", wire_packed=b"", address="", packed=b"", origin=Origin.UNKNOWN)


class Translator:
    """Decodes clients' addresses with the configured prefixes and mappings, and encodes IPv4 addresses with them."""

    def __init__(
        self,
        prefixes: Iterable[Prefix] = (),
        explicit: Iterable[Mapping] = (),
        gateways: Iterable[str] = (),
        *,
        spared: Iterable[Networks] = (),
    ) -> None:
        """Order doesn't matter: mappings go before prefixes, and among either the longest match counts.

        `gateways` are addresses behind which any number of clients hide, `spared` are networks that no ban of a
        neighbour's /64 may hit.
        """
        self._prefixes = sorted(prefixes, key=lambda prefix: -prefix.length)
        self._explicit = sorted(explicit, key=lambda mapping: mapping.suffix6)
        self._explicit_to_ipv6 = sorted(self._explicit, key=lambda mapping: -mapping.length4)
        self._gateways = frozenset(map(pack, gateways))
        crowded = {_MAPPED[:8], WELL_KNOWN[:8], *(gateway[:8] for gateway in self._gateways)}
        crowded |= {prefix.packed[:8] for prefix in self._prefixes}
        crowded |= {mapping.first6.to_bytes(16)[:8] for mapping in self._explicit}
        crowded = crowded.union(*(networks.halves() for networks in spared))
        self._crowded = frozenset(half for half in crowded if len(half) == 8)  # noqa: PLR2004  half an IPv6 address
        self.client = self._remembering()
        """Who calls from an address, the text that the mail server gave; None or no IP address is `unknown`."""
        self._translators = (_MAPPED, WELL_KNOWN, _LOCAL_USE, *(prefix.packed for prefix in self._prefixes))
        self._learned: tuple[Pattern, ...] = ()

    def _remembering(self) -> Callable[[str | None], Client]:
        return lru_cache(_REMEMBERED)(self._client)

    def _client(self, address: str | None) -> Client:
        try:
            wire = pack(address or "")
        except ValueError:
            return _UNKNOWN
        packed, origin, via = self._decode(wire)
        text = unpack(wire)
        return Client(
            wire=text,
            wire_packed=wire,
            address=text if packed is wire else unpack(packed),
            packed=packed,
            origin=origin,
            private=packed in PRIVATE,
            via=via,
            crowded=wire[:8] in self._crowded,
        )

    def _decode(self, wire: bytes) -> tuple[bytes, Origin, str]:
        if wire in self._gateways:
            return wire, Origin.MASKED, ""
        if len(wire) == 4:  # noqa: PLR2004  an IPv4 address's length
            return wire, Origin.IPV4, ""
        if wire.startswith(_MAPPED):
            return wire[12:], Origin.MAPPED, "::ffff:0:0/96"
        if by := self._configured(wire):
            ipv4 = by.decode(wire)
            return (wire, Origin.INVALID, by.text) if ipv4 is None else (ipv4, Origin.TRANSLATED, by.text)
        if dns64 := next((pattern for pattern in self._learned if pattern.covers(wire)), None):
            return wire, Origin.UNDECODED, dns64.text
        return wire, Origin.UNDECODED if wire.startswith((WELL_KNOWN, _LOCAL_USE)) else Origin.IPV6, ""

    def _configured(self, wire: bytes) -> Mapping | Prefix | None:
        if self._explicit:
            number = int.from_bytes(wire)
            for mapping in self._explicit:
                if number >> mapping.suffix6 == mapping.first6 >> mapping.suffix6:
                    return mapping
        for prefix in self._prefixes:  # a generator costs twice as much
            if wire.startswith(prefix.packed):
                return prefix
        return None

    def encode(self, address: str) -> list[tuple[str, str]]:
        """Return the IPv6 forms of an IPv4 address, each with what made it: one mapping's, else every prefix's.

        Raises:
            ValueError: `address` is no IPv4 address.
        """
        ipv4 = IPv4Address(address).packed
        for mapping in self._explicit_to_ipv6:
            if packed := mapping.encode(ipv4):
                return [(unpack(packed), mapping.text)]
        return [(unpack(packed), prefix.text) for prefix in self._prefixes if (packed := prefix.encode(ipv4))]

    def synthesised(self, address: str) -> bool:
        """Whether an AAAA record's address is a translator's, invented by DNS64, and no host's own (RFC 6147)."""
        packed = IPv6Address(address).packed
        return packed.startswith(self._translators) or any(pattern.covers(packed) for pattern in self._learned)

    # What is learned while sessions run is put in the place of what was known, in one step: readers need no lock.

    def mask(self, gateways: Iterable[bytes]) -> None:
        """Take these addresses, as bytes, for gateways from now on, in the place of those before."""
        self._gateways = frozenset(gateways)
        self._crowd(self._gateways)
        self.client = self._remembering()  # what is decoded at this moment goes to the memory that is left behind

    def distrust(self, patterns: Iterable[Pattern]) -> None:
        """Take addresses of these patterns for translators' too, in the place of those told of before.

        An AAAA record is a DNS64's then, and a client is undecoded, unless what is configured covers it.
        """
        self._learned = tuple(patterns)
        self._crowd(pattern.head for pattern in self._learned)
        self.client = self._remembering()

    def _crowd(self, heads: Iterable[bytes]) -> None:
        self._crowded |= {head[:8] for head in heads if len(head) >= 8}  # noqa: PLR2004  half an IPv6 address
