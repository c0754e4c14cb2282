"""Who is really calling: IPv4 addresses inside IPv6 ones, decoded once and encoded for people.

RFC 6052 embeds an IPv4 address behind a prefix of one of six lengths; bits 64 to 71 are skipped and zero. RFC 7757 maps
address blocks explicitly, and its mappings go before the prefixes. `::ffff:0:0/96` is how a socket shows IPv4.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from operator import itemgetter

from milter64.networks import NON_GLOBAL_IPV4, PRIVATE, Networks, pack, parse_network, unpack


class Origin(StrEnum):
    """How a client's address came to be what we take it for."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    MAPPED = "mapped"
    """IPv4 as ::ffff:0:0/96 (RFC 4291 2.5.5.2)."""
    TRANSLATED = "translated"
    """IPv4 behind a configured translator."""
    INVALID = "invalid"
    """Inside a configured prefix, and yet no legal translation (RFC 6052 2.2, 3.1)."""
    UNDECODED = "undecoded"
    """In 64:ff9b::/96 or 64:ff9b:1::/48, and nothing configured covers it."""
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
_WELL_KNOWN = pack("64:ff9b::")[:12]
_LOCAL_USE = pack("64:ff9b:1::")[:6]
_PREFIX_LENGTHS = (32, 40, 48, 56, 64, 96)
_U_OCTET = 8
"""Bits 64 to 71, which RFC 6052 2.2 keeps zero."""


class Prefix:
    """A translation prefix (RFC 6052 2.2): /32, /40, /48, /56, /64 or /96."""

    def __init__(self, text: str) -> None:
        """Read a prefix such as "64:ff9b::/96".

        Raises:
            ValueError: it is no translation prefix; the message says why.
        """
        network = parse_network(text)
        if network.version != 6 or network.prefixlen not in _PREFIX_LENGTHS:  # noqa: PLR2004  IP version
            raise ValueError(f"{text!r} is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96 (RFC 6052 2.2)")
        packed = int(network.first).to_bytes(16)
        if network.ip.value != network.first:
            raise ValueError(f"{text!r} has bits set behind its length; did you mean {network.cidr}?")
        if packed[_U_OCTET]:
            raise ValueError(f"{text!r} has bits 64 to 71 set, which must be zero (RFC 6052 2.2)")
        well_known = packed == _WELL_KNOWN + bytes(4)
        if well_known and network.prefixlen != 96:  # noqa: PLR2004  the Well-Known Prefix's length
            raise ValueError(f"{text!r} must be 64:ff9b::/96, the only length of the Well-Known Prefix (RFC 6052 2.2)")
        self.text = str(network.cidr)
        self.length: int = network.prefixlen
        self.packed = packed[: self.length // 8]
        positions = [i for i in range(self.length // 8, 16) if i != _U_OCTET][:4]
        self._positions = positions
        self._embedded = itemgetter(*positions)
        self._well_known = well_known

    def decode(self, packed: bytes) -> bytes | None:
        """Return the IPv4 address in an IPv6 address under this prefix, or None if it is no legal translation.

        A suffix that is not zero is ignored (RFC 6052 2.2).
        """
        if packed[_U_OCTET]:
            return None
        ipv4 = bytes(self._embedded(packed))
        return None if self._well_known and ipv4 in NON_GLOBAL_IPV4 else ipv4

    def encode(self, ipv4: bytes) -> bytes | None:
        """Return the IPv6 address that stands for an IPv4 address, or None where RFC 6052 3.1 forbids it."""
        if self._well_known and ipv4 in NON_GLOBAL_IPV4:
            return None
        packed = bytearray(self.packed.ljust(16, b"\0"))
        for position, byte in zip(self._positions, ipv4, strict=True):
            packed[position] = byte
        return bytes(packed)


class Mapping:
    """An explicit address mapping (RFC 7757 3.2): an IPv4 block and the IPv6 block that stands for it."""

    def __init__(self, ipv4: str, ipv6: str) -> None:
        """Read both blocks; a length left out is 32 or 128.

        Raises:
            ValueError: they can't be mapped; the message says why.
        """
        four, six = parse_network(ipv4), parse_network(ipv6)
        if four.version != 4 or six.version != 6:  # noqa: PLR2004  IP versions
            raise ValueError(f"{ipv4!r} must be an IPv4 block and {ipv6!r} an IPv6 block")
        self._suffix4: int = 32 - four.prefixlen
        self.suffix6: int = 128 - six.prefixlen
        if self._suffix4 > self.suffix6:
            raise ValueError(f"{ipv6!r} has fewer addresses than {ipv4!r} (RFC 7757 3.2)")
        for text, network in ((ipv4, four), (ipv6, six)):
            if network.ip.value != network.first:
                raise ValueError(f"{text!r} has bits set behind its length; did you mean {network.cidr}?")
        self.text = f"{four.cidr} = {six.cidr}"
        self._first4: int = four.first
        self.first6: int = six.first

    def decode(self, packed: bytes) -> bytes:
        """Return the IPv4 address of an IPv6 address in the block (RFC 7757 3.3.2); surplus suffix bits go."""
        suffix = int.from_bytes(packed) - self.first6
        return (self._first4 | suffix >> self.suffix6 - self._suffix4).to_bytes(4)

    def encode(self, ipv4: bytes) -> bytes | None:
        """Return the IPv6 address of an IPv4 address (RFC 7757 3.3.1), or None if it is not in the block."""
        suffix = int.from_bytes(ipv4) ^ self._first4
        if suffix >> self._suffix4:
            return None
        return (self.first6 | suffix << self.suffix6 - self._suffix4).to_bytes(16)

    @property
    def length4(self) -> int:
        """The IPv4 block's prefix length."""
        return 32 - self._suffix4


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client: the address on the wire, and the one it stands for.

    `wire` and `address` are canonical texts, the same unless something was decoded, and empty for `unknown`; `packed`
    is `address` as bytes, `wire_packed` is `wire`. `via` is the prefix or mapping that decoded it. `private` says that
    the address is of private use, so that the public DNS knows nothing about it; `crowded`, that others whom we know of
    have addresses in the same /64 on the wire.
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
        crowded = {_MAPPED[:8], _WELL_KNOWN[:8], *(gateway[:8] for gateway in self._gateways)}
        crowded |= {prefix.packed[:8] for prefix in self._prefixes}
        crowded |= {mapping.first6.to_bytes(16)[:8] for mapping in self._explicit}
        crowded = crowded.union(*(networks.halves() for networks in spared))
        self._crowded = frozenset(half for half in crowded if len(half) == 8)  # noqa: PLR2004  half an IPv6 address
        self.client = self._remembering()
        """Who calls from an address, the text that the mail server gave; None or no IP address is `unknown`."""
        self._translators = (_MAPPED, _WELL_KNOWN, _LOCAL_USE, *(prefix.packed for prefix in self._prefixes))
        self._synthesised = self._translators

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
        if self._explicit:
            number = int.from_bytes(wire)
            for mapping in self._explicit:
                if number >> mapping.suffix6 == mapping.first6 >> mapping.suffix6:
                    return mapping.decode(wire), Origin.TRANSLATED, mapping.text
        for prefix in self._prefixes:
            if wire.startswith(prefix.packed):
                ipv4 = prefix.decode(wire)
                return (wire, Origin.INVALID, prefix.text) if ipv4 is None else (ipv4, Origin.TRANSLATED, prefix.text)
        return wire, Origin.UNDECODED if wire.startswith((_WELL_KNOWN, _LOCAL_USE)) else Origin.IPV6, ""

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
        return IPv6Address(address).packed.startswith(self._synthesised)

    # What is learned while sessions run is put in the place of what was known, in one step: readers need no lock.

    def mask(self, gateways: Iterable[bytes]) -> None:
        """Take these addresses, as bytes, for gateways from now on, in the place of those before."""
        self._gateways = frozenset(gateways)
        self._crowded |= {gateway[:8] for gateway in self._gateways if len(gateway) > 4}  # noqa: PLR2004  IPv6 alone
        self.client = self._remembering()  # what is decoded at this moment goes to the memory that is left behind

    def distrust(self, prefixes: Iterable[Prefix]) -> None:
        """Take AAAA records inside these prefixes too for a DNS64's, in the place of those told of before."""
        self._synthesised = (*self._translators, *(prefix.packed for prefix in prefixes))
