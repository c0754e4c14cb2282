"""Prefixes, mappings and IPv4 addresses of all kinds, for hypothesis."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

from hypothesis import assume
from hypothesis import strategies as st

from milter64.address.networks import pack
from milter64.address.translation_prefix import Prefix

LENGTHS = (32, 40, 48, 56, 64, 96)


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    length = draw(st.sampled_from(LENGTHS))
    packed = bytearray(draw(st.binary(min_size=length // 8, max_size=length // 8)).ljust(16, b"\0"))
    packed[8] = 0
    assume(not packed.startswith(pack("64:ff9b::")[:4]))
    assume(packed[:4] not in (bytes(4), pack("2001::")[:4]))
    assume(packed[:2] != pack("2002::")[:2])
    assume(packed[0] != 0xFF)
    assume(packed[0] != 0xFE or packed[1] >> 6 != 2)
    return Prefix(f"{IPv6Address(bytes(packed))}/{length}")


@st.composite
def mappings(draw: st.DrawFn) -> tuple[IPv4Network, IPv6Network]:
    suffix4 = draw(st.integers(0, 32))
    suffix6 = draw(st.integers(suffix4, 128))
    first4 = draw(st.integers(0, 2**32 - 1)) >> suffix4 << suffix4
    first6 = draw(st.integers(0, 2**128 - 1)) >> suffix6 << suffix6
    return IPv4Network((first4, 32 - suffix4)), IPv6Network((first6, 128 - suffix6))


def is_source(ipv4: bytes) -> bool:
    """Whether a packet may come from an address (RFC 1812 5.3.7)."""
    return ipv4[0] not in (0, 127, *range(224, 240)) and ipv4 != b"\xff\xff\xff\xff"


ipv4_addresses = st.binary(min_size=4, max_size=4).filter(is_source)
