from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address import as_written
from milter64.address.networks import shown


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.31.196.10", "192.31.196.10"),
        (" 64:FF9B::C01F:C40A\n", "64:ff9b::c01f:c40a"),
        ("64:ff9b::192.31.196.10", "64:ff9b::c01f:c40a"),
        ("[64:ff9b::c01f:c40a]", "64:ff9b::c01f:c40a"),
        ("[192.31.196.10]", "192.31.196.10"),
        ("IPv6:64:ff9b::c01f:c40a", "64:ff9b::c01f:c40a"),
        ("[IPv6:64:ff9b::c01f:c40a]", "64:ff9b::c01f:c40a"),
        ("[ipv6:64:ff9b::c01f:c40a]:25", "64:ff9b::c01f:c40a"),
        ("unknown[64:ff9b::c01f:c40a]", "64:ff9b::c01f:c40a"),
        ("unknown[64:ff9b::c01f:c40a]:40000", "64:ff9b::c01f:c40a"),
        ("mail.honest.example [192.31.196.10]", "192.31.196.10"),
        ("[64:ff9b::c01f:c40a]:25", "64:ff9b::c01f:c40a"),
        ("192.31.196.10:25", "192.31.196.10"),
        ("unknown[fe80::1%eth0]", "fe80::1"),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, address: str) -> None:
    assert as_written.address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mx.example.org",
        "unknown[unknown]",
        "unknown[]",
        "[64:ff9b::1",
        "64:ff9b::1]",
        "[64:ff9b::1][64:ff9b::2]",
        "[64:ff9b::1]:port",
        "192.0.2.256",
        "010.1.1.1",
        "192.0.2.1:",
        "64:ff9b::c01f:c40a:40000",
        "192.0.2.0/24",
        "postfix/smtpd[123]: connect from unknown[64:ff9b::c01f:c40a]",
    ],
)
def test_what_is_no_address_or_more_than_one_is_refused_as_it_was_written(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address") as refusal:
        as_written.address(text)
    assert str(refusal.value).startswith(repr(text))


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.31.196.0/24", "192.31.196.0/24"),
        ("192.31.196.10", "192.31.196.10/32"),
        ("64:ff9b::/96", "64:ff9b::/96"),
        ("[64:ff9b::]/96", "64:ff9b::/96"),
        ("64:FF9B::", "64:ff9b::/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_a_network_is_read_as_postfix_writes_it(text: str, network: str) -> None:
    assert shown(as_written.network(text)) == network


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("192.31.196.10/24", "has bits set behind its length; did you mean 192.31.196.0/24?"),
        ("192.31.196.0/33", "is not a network"),
        ("192.31.196.0/", "is not a network"),
        ("192.31.196.0/255.255.255.0", "is not a network"),
        ("[64:ff9b::/96]", "is not a network"),
        ("mx.example.org/24", "is not a network"),
    ],
)
def test_what_is_no_network_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"is not|bits set") as refusal:
        as_written.network(text)
    assert str(refusal.value).startswith(f"{text!r} {why}")


@given(st.text(alphabet="0123456789abcf.:[]/% IPv6un-\n"))
def test_whatever_is_read_is_read_as_the_same_again(text: str) -> None:
    address = network = None
    with suppress(ValueError):
        address = as_written.address(text)
    with suppress(ValueError):
        network = as_written.network(text)
    assert address is None or as_written.address(address) == address
    assert network is None or as_written.network(shown(network)) == network
