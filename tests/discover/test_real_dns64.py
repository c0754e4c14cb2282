"""Real resolvers, and whether what they say of ipv4only.arpa tells what they do.

BIND synthesises with any prefix but the forbidden, and with a suffix where one is configured; Unbound with any; Knot
Resolver and PowerDNS with those of 96 bits.
"""

from collections.abc import Iterator

import pytest

from milter64.address.networks import pack
from milter64.discover.dns64_prefix import NAME, Synthesis, ask
from milter64.dns.nameserver import nameserver
from rig.dnsserver import DnsServer, Fault, Records
from rig.lab import Lab
from rig.recursors import Bind, Knot, PowerDns, Recursor
from rig.unbound import Unbound

pytestmark = pytest.mark.long

NSP = "2001:db8:122:344::/96"
LENGTHS = [
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
]
LONG = [NSP, "64:ff9b::/96", "2001:db8:c000:aa::/96", "fd00:64::/96"]
CROOKED = "2001:db8:1:2:ff00::/96"
RECURSORS: list[type[Recursor]] = [Unbound, Bind, Knot, PowerDns]
RECORDS: Records = {NAME: {"A": ["192.0.0.170", "192.0.0.171"]}, "": {"NS": ["ns.example"]}}
"""As the root's zone has it (RFC 7050 8.2)."""


@pytest.fixture
def upstream() -> Iterator[DnsServer]:
    with DnsServer(RECORDS) as server:
        yield server


def what_it_says(recursor: Recursor, timeout: float = 10.0) -> Synthesis:
    return ask(nameserver(recursor.server), timeout)


@pytest.mark.parametrize(
    ("recursor", "prefix"),
    [
        *((recursor, prefix) for recursor in RECURSORS for prefix in LONG),
        *((recursor, prefix) for recursor in (Unbound, Bind) for prefix in LENGTHS),
    ],
)
def test_a_dns64_gives_its_prefix_away(lab: Lab, upstream: DnsServer, recursor: type[Recursor], prefix: str) -> None:
    found = what_it_says(lab.start(recursor, upstream.address, dns64=prefix))
    assert [each.text for each in found.prefixes] == [prefix]
    assert (len(found.patterns), len(found.addresses), found.error) == (1, 2, "")


def test_a_suffix_is_seen(lab: Lab, upstream: DnsServer) -> None:
    found = what_it_says(lab.start(Bind, upstream.address, dns64="2001:db8:122::/48", suffix="::77"))
    (pattern,) = found.patterns
    assert (pattern.text, pattern.tail) == ("2001:db8:122::/48", bytes(4) + b"\x77")
    assert pattern.covers(pack("2001:db8:122:c01f:c4:a00::77"))


@pytest.mark.parametrize("recursor", RECURSORS)
def test_a_resolver_without_dns64_says_so(lab: Lab, upstream: DnsServer, recursor: type[Recursor]) -> None:
    found = what_it_says(lab.start(recursor, upstream.address))
    assert (found.patterns, found.addresses, found.error) == ((), (), "")


@pytest.mark.parametrize("recursor", [Unbound, Knot, PowerDns])
def test_a_forbidden_prefix_is_known_for_what_it_is(lab: Lab, upstream: DnsServer, recursor: type[Recursor]) -> None:
    found = what_it_says(lab.start(recursor, upstream.address, dns64=CROOKED))
    (pattern,) = found.patterns
    assert (pattern.text, found.prefixes, found.error) == (CROOKED, (), "")
    assert "bits 64 to 71" in pattern.defect


@pytest.mark.parametrize(
    "block",
    [
        pytest.param((Fault(0), {"": RECORDS[""]}), id="NXDOMAIN"),
        pytest.param((Fault(0), {**RECORDS, NAME: {"TXT": ["-"]}}), id="NODATA"),
        pytest.param((Fault.SERVFAIL, RECORDS), id="SERVFAIL"),
        pytest.param((Fault.REFUSED, RECORDS), id="REFUSED"),
        pytest.param((Fault.SILENT, RECORDS), id="silence"),
    ],
)
@pytest.mark.parametrize("dns64", ["", NSP])
@pytest.mark.parametrize("recursor", RECURSORS)
def test_whose_way_to_the_name_is_blocked_tells_nothing(
    lab: Lab, upstream: DnsServer, recursor: type[Recursor], dns64: str, block: tuple[Fault, Records]
) -> None:
    """A DNS64 and another say the same then, and so neither may be taken for the other."""
    upstream.faults[NAME], records = block
    upstream.records = dict(records)
    found = what_it_says(lab.start(recursor, upstream.address, dns64=dns64), 2.0)
    assert found.patterns == ()
    assert found.error
