"""IP addresses as bytes, and sets of networks.

An address is 4 or 16 bytes here, in network order: objects of `ipaddress` and `netaddr` cost more than the whole
decision. netaddr reads what people wrote in the configuration.
"""

from collections.abc import Iterable, Iterator
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

import netaddr

Network = tuple[bytes, int]
"""A network: its first address, and the length of its prefix."""


def pack(text: str) -> bytes:
    """Return an address's 4 or 16 bytes.

    Raises:
        ValueError: `text` is no IP address.
    """
    try:
        return inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError) as error:
        raise ValueError(f"{text!r} is not an IP address") from error


def unpack(packed: bytes) -> str:
    """Return the canonical text (RFC 5952) of 4 or 16 bytes."""
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)  # noqa: PLR2004  an IPv4 address's length


def shown(network: Network) -> str:
    """Return the text of a network, such as "192.0.2.0/24"."""
    first, length = network
    return f"{unpack(first)}/{length}"


def _heads(size: int, prefixes: dict[int, set[int]]) -> frozenset[bytes]:
    """Return the first octets of all addresses of so many octets that networks hold, by shift and prefix."""
    heads = set[int]()
    for shift, values in prefixes.items():
        for value in values:
            first, last = value << shift, ((value + 1) << shift) - 1
            heads |= set(range(first >> (size - 1) * 8, (last >> (size - 1) * 8) + 1))
    return frozenset(head.to_bytes() for head in heads)


class Networks:
    """A set of IP networks of both families; `packed in networks` costs one look-up for each prefix length in it."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Read networks such as "192.0.2.0/24"; an address alone is a network of one; host bits are ignored.

        Raises:
            ValueError: one of them is no network.
        """
        self._texts = tuple(networks)
        prefixes: dict[int, dict[int, set[int]]] = {4: {}, 16: {}}
        for text in self._texts:
            network = parse_network(text)
            size, length = (4 if network.version == 4 else 16), network.prefixlen  # noqa: PLR2004  IP versions
            shift = size * 8 - length
            prefixes[size].setdefault(shift, set()).add(network.first >> shift)
        self._prefixes = {
            size: tuple((shift, frozenset(values)) for shift, values in by_shift.items())
            for size, by_shift in prefixes.items()
        }
        self._members = frozenset((size, *each) for size, by_shift in self._prefixes.items() for each in by_shift)
        self._heads = {size: _heads(size, by_shift) for size, by_shift in prefixes.items()}

    def __contains__(self, packed: bytes) -> bool:
        """Whether an address of 4 or 16 bytes lies in one of the networks."""
        if packed[:1] not in self._heads.get(len(packed), ()):  # as most are, and it costs a fifth of what follows
            return False
        number = int.from_bytes(packed)
        for shift, values in self._prefixes[len(packed)]:  # noqa: SIM110  a generator costs twice as much
            if number >> shift in values:
                return True
        return False

    def covers(self, first: bytes, length: int) -> bool:
        """Whether one of the networks holds a whole one, given by its first address and the length of its prefix."""
        number, longest = int.from_bytes(first), len(first) * 8 - length
        return any(
            shift >= longest and number >> shift in values for shift, values in self._prefixes.get(len(first), ())
        )

    def __iter__(self) -> Iterator[str]:
        """Yield the networks as they were written."""
        return iter(self._texts)

    def halves(self) -> set[bytes]:
        """Return the first 8 bytes of every IPv6 network: the /64 that holds it, if it is no larger than that."""
        return {(value << shift).to_bytes(16)[:8] for shift, values in self._prefixes[16] for value in values}

    def first_octets(self) -> set[int]:
        """Return the first octets of all addresses in the networks."""
        return {head[0] for heads in self._heads.values() for head in heads}

    def __bool__(self) -> bool:
        return bool(self._texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self._members == other._members

    def __hash__(self) -> int:
        return hash(self._members)

    def __repr__(self) -> str:
        return f"Networks({list(self._texts)!r})"


def parse_network(text: str) -> netaddr.IPNetwork:
    """Read "192.0.2.0/24" or "2001:db8::1".

    Raises:
        ValueError: it is neither a network nor an address.
    """
    address, _, length = text.partition("/")
    try:
        pack(address)  # netaddr 0.8 reads 010.1.1.1 as 8.1.1.1, and 10 as 0.0.0.10
        int(length or "0")  # netaddr takes masks, of both kinds, so that /0.0.0.0 might mean everything
        return netaddr.IPNetwork(text)
    except (ValueError, netaddr.AddrFormatError) as error:
        raise ValueError(f"{text!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32") from error


NON_GLOBAL_IPV4 = Networks(
    (
        # https://www.iana.org/assignments/iana-ipv4-special-registry: the rows that are not Globally Reachable. The two
        # addresses in 192.0.0.0/24 that are stay out of it by the cut of the block.
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/29",
        "192.0.0.8/32",
        "192.0.0.11/32",
        "192.0.0.12/30",
        "192.0.0.16/28",
        "192.0.0.32/27",
        "192.0.0.64/26",
        "192.0.0.128/25",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ),
)
"""IPv4 addresses that 64:ff9b::/96 must not carry (RFC 6052 3.1)."""

NO_SOURCE_IPV4 = Networks(("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32"))
"""IPv4 addresses that no packet comes from, and whose packets no router or translator passes on (RFC 1812 5.3.7)."""

PRIVATE = Networks(
    (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/29",  # a 464XLAT client's own side (RFC 7335)
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    ),
)
"""Addresses of private use, about which the public DNS knows nothing."""
