"""What of IPv4 a network holds behind a prefix, and what an IPv4 network is there."""

from ipaddress import IPv4Network

import pytest

from milter64.address.networks import Networks
from milter64.address.translation_prefix import Prefix


@pytest.mark.parametrize(
    ("prefix", "network", "covered"),
    [
        ("64:ff9b::/96", "64:ff9b::/96", True),
        ("64:ff9b::/96", "64:ff9b::/64", True),
        ("64:ff9b::/96", "::/0", True),
        ("64:ff9b::/96", "64:ff9b::/97", True),
        ("64:ff9b::/96", "64:ff9b::c000:0/103", True),
        ("64:ff9b::/96", "64:ff9b::c000:0/104", False),
        ("64:ff9b::/96", "64:ff9b::c01f:c40a", False),
        ("64:ff9b::/96", "64:ff9b:1::/48", False),
        ("64:ff9b::/96", "0.0.0.0/0", False),
        ("2001:db8:6:4::/64", "2001:db8:6:4:c0::/72", True),
        ("2001:db8:6:4::/64", "2001:db8:6:4:c0::/79", True),
        ("2001:db8:6:4::/64", "2001:db8:6:4:c0::/80", False),
        ("2001:db8:64::/48", "2001:db8:64:c000::/55", True),
        ("2001:db8:64::/48", "2001:db8:64:c000::/56", False),
        ("2001:db8:64::/48", "2001:db8:64:c01f:c4::/80", False),
        ("2001:db8::/32", "2001:db8:c01f:c40a::/64", False),
        ("2001:db8::/32", "2001:db8::/33", True),
    ],
)
def test_a_network_covers_a_prefix_if_it_holds_more_than_one_owner_has(
    prefix: str,
    network: str,
    covered: bool,  # noqa: FBT001  a column
) -> None:
    assert Prefix(prefix).covered_by(network) is covered


@pytest.mark.parametrize("length", [8, 15, 16, 24, 29, 32])
@pytest.mark.parametrize(
    "prefix", ["2001:db8:64::/96", "2001:db8:6:4::/64", "2001:db8:64::/56", "2001:db8:64::/48", "2001:db8::/32"]
)
def test_an_ipv4_network_has_a_wire_form_that_holds_its_own_addresses_alone(prefix: str, length: int) -> None:
    ipv4 = IPv4Network(("193.31.196.10", length), strict=False)
    form = Networks((Prefix(prefix).wire_form(str(ipv4)),))
    for address in (ipv4[0], ipv4[-1]):
        assert (Prefix(prefix).encode(address.packed) or b"") in form
    for address in (ipv4[0] - 1, ipv4[-1] + 1):
        assert (Prefix(prefix).encode(address.packed) or b"") not in form


def test_what_a_prefix_must_not_carry_has_no_wire_form() -> None:
    assert Prefix("64:ff9b::/96").wire_form("10.0.0.0/8") == ""
    assert Prefix("64:ff9b::/96").wire_form("192.31.196.0/24") == "64:ff9b::c01f:c400/120"
