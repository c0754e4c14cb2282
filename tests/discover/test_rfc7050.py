import pytest

from milter64.address import Prefix
from milter64.discover.rfc7050 import ask, prefixes
from milter64.exchange import nameserver
from milter64.networks import pack, unpack
from rig.dnsserver import DnsServer, Fault
from rig.lab import Lab
from rig.nsd import Nsd
from rig.unbound import Unbound

LENGTHS = [
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
    "2001:db8:122:344::/96",
    "64:ff9b::/96",
]
IPV4ONLY = {".": "ipv4only.arpa. A 192.0.0.170\nipv4only.arpa. A 192.0.0.171"}
"""As the root's zone has it (RFC 7050 8.2)."""


@pytest.mark.parametrize("prefix", LENGTHS)
@pytest.mark.parametrize("ipv4", ["192.0.0.170", "192.0.0.171"])
def test_the_place_of_the_ipv4_address_tells_the_prefix(prefix: str, ipv4: str) -> None:
    packed = Prefix(prefix).encode(b"\xc0\0\0" + bytes([int(ipv4[-3:])]))
    # 64:ff9b::/96 must not carry it (RFC 6052 3.1), and does all the same.
    address = unpack(packed) if packed else f"64:ff9b::{ipv4}"
    assert [each.text for each in prefixes([address])] == [prefix]


@pytest.mark.parametrize("prefix", LENGTHS)
def test_a_suffix_that_is_not_zero_is_ignored(prefix: str) -> None:
    packed = Prefix(prefix).encode(pack("192.0.0.170")) or pack("64:ff9b::192.0.0.170")
    suffixed = packed[:15] + (b"\x07" if packed[15] == 0 else packed[15:])
    assert [each.text for each in prefixes([unpack(suffixed)])] == [prefix]


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        pytest.param(
            ["2001:db8:42::192.0.0.170", "2001:db8:43::192.0.0.170", "64:ff9b::192.0.0.170", "64:ff9b::192.0.0.171"],
            ["2001:db8:42::/96", "2001:db8:43::/96", "64:ff9b::/96"],
            id="several prefixes, in the order of the records, each once",
        ),
        pytest.param(["2001:db8:c000:aa::192.0.0.170"], [], id="twice, and so nowhere"),
        pytest.param(
            ["2001:db8:c000:aa:0:c000:aa:0"], [], id="a second time between the places of RFC 6052 counts too"
        ),
        pytest.param(
            ["2001:db8:c000:aa:0:c000:c000:ab", "2001:db8:c000:aa:c0:0:aac0:ab"],
            ["2001:db8::/32"],
            id="once beside what only begins like it",
        ),
        pytest.param(
            ["2001:db8:c000:aa::c000:aa", "2001:db8:c000:aa:0:c000:aa:0"], [], id="none of both is there only once"
        ),
        pytest.param(
            ["c000:aa:c000:aa::c000:ab"], ["c000:aa:c000:aa::/96"], id="the first twice, and the other once: the other"
        ),
        pytest.param(["2001:db8:0:c000:aa::"], [], id="in no place of RFC 6052's"),
        pytest.param(["2001:db8::1"], [], id="a hijacker's answer"),
        pytest.param(["64:ff9b:c000:aa::"], [], id="64:ff9b:: has one length only"),
        pytest.param(["2001:db8:1:2:ff00::192.0.0.170"], [], id="bits 64 to 71 are set"),
        pytest.param([], [], id="no answer"),
    ],
)
def test_an_address_counts_once_and_in_its_place(addresses: list[str], found: list[str]) -> None:
    assert [prefix.text for prefix in prefixes(addresses)] == found


@pytest.mark.parametrize("prefix", LENGTHS)
def test_a_real_dns64_gives_its_prefix_away(lab: Lab, prefix: str) -> None:
    unbound = lab.start(Unbound, lab.start(Nsd, IPV4ONLY), dns64=prefix)
    synthesis = ask(nameserver(unbound.server), 5.0)
    assert [each.text for each in synthesis.prefixes] == [prefix]
    assert (synthesis.nameserver, len(synthesis.addresses), synthesis.error) == (unbound.server, 2, "")


def test_a_resolver_without_dns64_has_none(lab: Lab) -> None:
    unbound = lab.start(Unbound, lab.start(Nsd, IPV4ONLY))
    synthesis = ask(nameserver(unbound.server), 5.0)
    assert (synthesis.prefixes, synthesis.addresses, synthesis.error) == ((), (), "")


ANSWER = {"ipv4only.arpa": {"AAAA": ["64:ff9b::c000:aa"]}}


@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.SILENT, "no answer in time"), (Fault.SERVFAIL, "SERVFAIL"), (Fault.REFUSED, "REFUSED")],
)
def test_a_nameserver_without_an_answer_tells_nothing(fault: Fault, error: str) -> None:
    with DnsServer(ANSWER) as server:
        server.faults["ipv4only.arpa"] = fault
        synthesis = ask(nameserver(server.address), 0.3)
    assert (synthesis.prefixes, synthesis.error) == ((), error)


def test_a_closed_port_is_told_of() -> None:
    with DnsServer() as server:
        address = server.address
    assert ask(nameserver(address), 0.3).error == "Connection refused"


def test_an_answer_that_is_cut_short_is_fetched_over_tcp() -> None:
    with DnsServer(ANSWER) as server:
        server.faults["ipv4only.arpa"] = Fault.TRUNCATED
        assert [prefix.text for prefix in ask(nameserver(server.address), 5.0).prefixes] == ["64:ff9b::/96"]
