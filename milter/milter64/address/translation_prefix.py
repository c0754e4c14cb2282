"""Where an IPv6 address has an IPv4 one inside: translation prefixes, explicit mappings, what DNS64s make of prefixes.

RFC 6052 embeds an IPv4 address behind a prefix of one of six lengths; bits 64 to 71 are skipped and zero. RFC 7757 maps
address blocks explicitly.
"""

from dataclasses import dataclass
from operator import itemgetter

from milter64.address.networks import NO_SOURCE_IPV4, NON_GLOBAL_IPV4, Network, pack, parse_network, unpack

WELL_KNOWN = pack("64:ff9b::")[:12]
_U_OCTET = 8
"""Bits 64 to 71, which RFC 6052 2.2 keeps zero."""
_ONE_OWNERS = 8
"""The shortest length of an IPv4 network that somebody has for himself."""
PLACES = {
    32: (4, 5, 6, 7),
    40: (5, 6, 7, 9),
    48: (6, 7, 9, 10),
    56: (7, 9, 10, 11),
    64: (9, 10, 11, 12),
    96: (12, 13, 14, 15),
}
"""The octets that have the IPv4 address, for each length of a prefix (RFC 6052 2.2)."""

_OTHERS = {
    "::/96": "there are the loopback, and IPv4-compatible addresses (RFC 4291 2.5.5.1)",
    "::ffff:0:0/96": "so a socket shows IPv4 itself (RFC 4291 2.5.5.2), which is decoded without it",
    "2001::/32": "it is Teredo's, whose hosts anybody may have (RFC 4380)",
    "2002::/16": "it is 6to4's, where everybody has a prefix (RFC 3056)",
    "fe80::/10": "it is link-local (RFC 4291 2.5.6)",
    "ff00::/8": "it is multicast (RFC 4291 2.7)",
}
"""IPv6 addresses that no translator makes of IPv4 ones."""


class Prefix:
    """A translation prefix (RFC 6052 2.2): /32, /40, /48, /56, /64 or /96."""

    def __init__(self, text: str) -> None:
        """Read a prefix such as "64:ff9b::/96".

        Raises:
            ValueError: it is no translation prefix; the message says why.
        """
        network = parse_network(text)
        if network.version != 6 or network.prefixlen not in PLACES:  # noqa: PLR2004  IP version
            raise ValueError(f"{text!r} is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96 (RFC 6052 2.2)")
        packed = int(network.first).to_bytes(16)
        for block, whose in _OTHERS.items():
            if network in (other := parse_network(block)) or other in network:
                raise ValueError(f"{text!r} can't be a translator's: {whose}")
        if network.ip.value != network.first:
            raise ValueError(f"{text!r} has bits set behind its length; did you mean {network.cidr}?")
        if packed[_U_OCTET]:
            raise ValueError(f"{text!r} has bits 64 to 71 set, which must be zero (RFC 6052 2.2)")
        well_known = packed == WELL_KNOWN + bytes(4)
        if well_known and network.prefixlen != 96:  # noqa: PLR2004  the Well-Known Prefix's length
            raise ValueError(f"{text!r} must be 64:ff9b::/96, the only length of the Well-Known Prefix (RFC 6052 2.2)")
        self.text = str(network.cidr)
        self.length: int = network.prefixlen
        self.packed = packed[: self.length // 8]
        self._positions = PLACES[self.length]
        self._embedded = itemgetter(*self._positions)
        self._bits = [place * 8 + bit for place in self._positions for bit in range(8)]
        self._forbidden = NON_GLOBAL_IPV4 if well_known else NO_SOURCE_IPV4

    def decode(self, packed: bytes) -> bytes | None:
        """Return the IPv4 address in an IPv6 address under this prefix, or None if it is no legal translation.

        A suffix that is not zero is ignored (RFC 6052 2.2).
        """
        if packed[_U_OCTET]:
            return None
        ipv4 = bytes(self._embedded(packed))
        return None if ipv4 in self._forbidden else ipv4

    @property
    def full(self) -> int:
        """The length of a network that is one IPv4 address behind this prefix."""
        return self.length + 32 + (8 if self.length <= _U_OCTET * 8 < self.length + 32 else 0)

    def covered_by(self, network: str) -> bool:
        """Whether a network holds IPv4's clients behind this prefix: all, or more of them than one owner has (/8)."""
        ours, theirs = parse_network(self.text), parse_network(network)
        if ours.version != theirs.version or not (ours in theirs or theirs in ours):
            return False
        fixed = theirs.prefixlen - self.length
        if self.length <= _U_OCTET * 8 < theirs.prefixlen:
            fixed -= min(theirs.prefixlen - _U_OCTET * 8, 8)
        return bool(fixed < _ONE_OWNERS)

    def wire_form(self, network: str) -> str:
        """Return the network that an IPv4 one is behind this prefix, empty if it must not stand there."""
        ipv4 = parse_network(network)
        packed = self.encode(int(ipv4.first).to_bytes(4))
        length = self.length + ipv4.prefixlen
        if self.length <= _U_OCTET * 8 < length:
            length += 8
        return f"{unpack(packed)}/{length}" if packed else ""

    def encode(self, ipv4: bytes) -> bytes | None:
        """Return the IPv6 address that stands for an IPv4 address, or None if it must not stand there."""
        form = self.encode_network((ipv4, 32))
        return form and form[0]

    def encode_network(self, ipv4: Network) -> Network | None:
        """Return the IPv6 network that stands for an IPv4 network, or None if none of it must stand there.

        It has every suffix, as decoding ignores them; and where it ends before bits 64 to 71, what they may be.
        """
        first, length = ipv4
        if self._forbidden.covers(first, length):
            return None
        packed = bytearray(self.packed.ljust(16, b"\0"))
        for position, byte in zip(self._positions, first, strict=True):
            packed[position] = byte
        return bytes(packed), self._bits[length - 1] + 1 if length else self.length

    def decode_network(self, ipv6: Network) -> Network | None:
        """Return the IPv4 network in an IPv6 network under this prefix, or None if none of it is legal."""
        first, length = ipv6
        if first[_U_OCTET]:
            return None
        ipv4 = bytes(self._embedded(first)), sum(bit < length for bit in self._bits)
        return None if self._forbidden.covers(*ipv4) else ipv4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What the addresses that a DNS64 invents with one prefix have in common (RFC 6147 5.2, RFC 6052 2.2).

    `head` is the prefix's octets, `tail` those behind the IPv4 address. Unlike a `Prefix`, it may be one that RFC 6052
    forbids: what a DNS64 invents with it is invented all the same.
    """

    head: bytes
    tail: bytes

    @staticmethod
    def read(packed: bytes, length: int) -> "tuple[Pattern, bytes] | None":
        """Return what an address of 16 bytes would have of its prefix, if that were of `length`, and of IPv4.

        None where bits 64 to 71 are set behind a short prefix.
        """
        octets, places = length // 8, PLACES[length]
        if octets <= _U_OCTET and packed[_U_OCTET]:
            return None
        pattern = Pattern(head=packed[:octets], tail=packed[places[-1] + 1 :])
        return pattern, bytes(packed[place] for place in places)

    @property
    def text(self) -> str:
        """The prefix, such as "64:ff9b::/96"."""
        return f"{unpack(self.head.ljust(16, bytes(1)))}/{len(self.head) * 8}"

    @property
    def prefix(self) -> Prefix | None:
        """The prefix; None if it is one that RFC 6052 forbids."""
        return None if self.defect else Prefix(self.text)

    @property
    def defect(self) -> str:
        """What RFC 6052 has against the prefix; empty if nothing."""
        try:
            Prefix(self.text)
        except ValueError as error:
            return str(error)
        return ""

    def covers(self, packed: bytes) -> bool:
        """Whether an address is of this kind, and no native host's that lives beside, in a short prefix or a /64.

        Behind the IPv4 address it has to have what was seen there, or zeros as it should be.
        """
        if not packed.startswith(self.head) or not (reading := Pattern.read(packed, len(self.head) * 8)):
            return False
        pattern, _ = reading
        return pattern.tail == self.tail or not any(pattern.tail)


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

    def decode(self, packed: bytes) -> bytes | None:
        """Return the IPv4 address of an IPv6 address in the block (RFC 7757 3.3.2), or None if no packet has that.

        Surplus suffix bits go.
        """
        suffix = int.from_bytes(packed) - self.first6
        ipv4 = (self._first4 | suffix >> self.suffix6 - self._suffix4).to_bytes(4)
        return None if ipv4 in NO_SOURCE_IPV4 else ipv4

    def encode(self, ipv4: bytes) -> bytes | None:
        """Return the IPv6 address of an IPv4 address (RFC 7757 3.3.1), or None if it has none here."""
        form = self.encode_network((ipv4, 32))
        return form and form[0]

    def encode_network(self, ipv4: Network) -> Network | None:
        """Return the IPv6 network of an IPv4 network, or None if that isn't in the block, or no packet comes from it.

        It has every surplus suffix.
        """
        first, length = ipv4
        suffix = int.from_bytes(first) ^ self._first4
        if length < self.length4 or suffix >> self._suffix4 or NO_SOURCE_IPV4.covers(first, length):
            return None
        packed = (self.first6 | suffix << self.suffix6 - self._suffix4).to_bytes(16)
        return packed, 128 - self.suffix6 + length - self.length4

    def decode_network(self, ipv6: Network) -> Network | None:
        """Return the IPv4 network of an IPv6 network in the block, or None if no packet comes from it."""
        first, length = ipv6
        suffix = int.from_bytes(first) - self.first6
        packed = (self._first4 | suffix >> self.suffix6 - self._suffix4).to_bytes(4)
        ipv4 = packed, min(32, self.length4 + length - 128 + self.suffix6)
        return None if NO_SOURCE_IPV4.covers(*ipv4) else ipv4

    @property
    def blocks(self) -> tuple[Network, Network]:
        """Both blocks, the IPv4 one first."""
        return (self._first4.to_bytes(4), self.length4), (self.first6.to_bytes(16), 128 - self.suffix6)

    @property
    def length4(self) -> int:
        """The IPv4 block's prefix length."""
        return 32 - self._suffix4
