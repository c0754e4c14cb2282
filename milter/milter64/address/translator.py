"""Who is really calling: IPv4 addresses inside IPv6 ones, decoded once and encoded for people.

Explicit mappings (RFC 7757) go before prefixes (RFC 6052). `::ffff:0:0/96` is how a socket shows IPv4.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from milter64.address.client import REMEMBERED, UNKNOWN, Client, Origin
from milter64.address.networks import PRIVATE, Network, Networks, pack, unpack
from milter64.address.translation_prefix import WELL_KNOWN, Mapping, Pattern, Prefix

_MAPPED = bytes(10) + b"\xff\xff"
_MAPPED_TEXT = "::ffff:0:0/96"
_LOCAL_USE = pack("64:ff9b:1::")[:6]


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
        self._learned: frozenset[Pattern] = frozenset()  # it works its hash out once
        self._shared: frozenset[bytes] = frozenset()

    def _remembering(self) -> Callable[[str | None], Client]:
        return lru_cache(REMEMBERED)(self._client)

    def _client(self, address: str | None) -> Client:
        try:
            wire = pack(address or "")
        except ValueError:
            return UNKNOWN
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
            shared=wire in self._shared,
        )

    def _decode(self, wire: bytes) -> tuple[bytes, Origin, str]:
        if wire in self._gateways:
            return wire, Origin.MASKED, ""
        if len(wire) == 4:  # noqa: PLR2004  an IPv4 address's length
            return wire, Origin.IPV4, ""
        if wire.startswith(_MAPPED):
            return wire[12:], Origin.MAPPED, _MAPPED_TEXT
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

    def encode_network(self, ipv4: Network) -> list[tuple[Network, str]]:
        """Return the IPv6 forms of an IPv4 network, each with what made it.

        That is a mapping that has all of it; else every prefix, and all mappings that have a part.
        """
        parts: list[tuple[Network, str]] = []
        for mapping in self._explicit_to_ipv6:
            if form := mapping.encode_network(ipv4):
                return [(form, mapping.text)]
            block4, block6 = mapping.blocks
            parts += [(block6, mapping.text)] if _within(block4, ipv4) else []
        return [(form, each.text) for each in self._prefixes if (form := each.encode_network(ipv4))] + parts

    def decode_network(self, ipv6: Network) -> tuple[Origin, list[tuple[Network | None, str]]]:
        """Return what an IPv6 network is, and the IPv4 networks that it stands for, each with what decodes it.

        That is what has all of the network and decodes its addresses, and what has a part and goes before. None stands
        for a form that isn't legal, or, of a `translated` network, isn't all: it holds the whole prefix or mapping.
        """
        if _within(ipv6, (_MAPPED + bytes(4), 96)):
            return Origin.MAPPED, [((ipv6[0][12:], ipv6[1] - 96), _MAPPED_TEXT)]
        known: list[tuple[Network, Mapping | Prefix]] = [(each.blocks[1], each) for each in self._explicit]
        known += [((each.packed.ljust(16, bytes(1)), each.length), each) for each in self._prefixes]
        parts: list[tuple[Network | None, str]] = []
        for block, by in known:
            if _within(ipv6, block):
                found = [(by.decode_network(ipv6), by.text), *parts]
                return Origin.TRANSLATED if any(form for form, _ in found) else Origin.INVALID, found
            if _within(block, ipv6):
                parts.append((by.decode_network(block), by.text))
        if parts:
            return Origin.TRANSLATED, [(None, via) for _, via in parts]
        return (Origin.UNDECODED if ipv6[0].startswith((WELL_KNOWN, _LOCAL_USE)) else Origin.IPV6), []

    def synthesised(self, address: str) -> bool:
        """Whether an AAAA record's address is a translator's, invented by DNS64, and no host's own (RFC 6147)."""
        packed = IPv6Address(address).packed
        return packed.startswith(self._translators) or any(pattern.covers(packed) for pattern in self._learned)

    @property
    def knowledge(self) -> int:
        """A number that stands for what was learned of DNS64s, the same in all processes of a service."""
        return hash(self._learned)

    # What is learned while sessions run is put in the place of what was known, in one step: readers need no lock.

    def mask(self, gateways: Iterable[bytes], shared: Iterable[bytes] = ()) -> None:
        """Take these addresses, as bytes, for gateways from now on, in the place of those before; `shared` may be such.

        The /64 of these isn't crowded: whoever has one to himself could keep it from being banned.
        """
        self._gateways = frozenset(gateways)
        self._shared = frozenset(shared)
        self._crowd(self._gateways)
        self.client = self._remembering()  # what is decoded at this moment goes to the memory that is left behind

    def distrust(self, patterns: Iterable[Pattern]) -> None:
        """Take addresses of these patterns for translators' too, in the place of those told of before.

        An AAAA record is a DNS64's then, and a client is undecoded, unless what is configured covers it.
        """
        self._learned = frozenset(patterns)
        self._crowd(pattern.head for pattern in self._learned)
        self.client = self._remembering()

    def _crowd(self, heads: Iterable[bytes]) -> None:
        self._crowded |= {head[:8] for head in heads if len(head) >= 8}  # noqa: PLR2004  half an IPv6 address


def _within(inner: Network, outer: Network) -> bool:
    (first, length), (start, shorter) = inner, outer
    shift = len(start) * 8 - shorter
    return length >= shorter and int.from_bytes(first) >> shift == int.from_bytes(start) >> shift
