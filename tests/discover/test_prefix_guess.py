from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.networks import pack
from milter64.address.translation_prefix import Prefix
from milter64.discover.prefix_guess import ENOUGH, SPREAD, Shapes, guess

PREFIXES = [
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
    "2001:db8:122:344::/96",
]
WORLD = [bytes([first, 31, 196, 10 + n]) for n, first in enumerate([5, 17, 40, 62, 80, 91, 130, 185] * 3)]
"""Clients from eight /8s."""


def translated(prefix: str, *ipv4: bytes) -> list[bytes]:
    return [packed for each in ipv4 if (packed := Prefix(prefix).encode(each))]


def shown(*addresses: bytes) -> set[str]:
    """Return the prefixes that have shown to be a translator's by these addresses."""
    shapes = Shapes()
    return {prefix for address in addresses for prefix in shapes.add(address)}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_many_clients_from_all_over_ipv4_show_a_translator(prefix: str) -> None:
    assert shown(*translated(prefix, *WORLD)) == {prefix}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_it_shows_with_the_twentieth_client(prefix: str) -> None:
    assert shown(*translated(prefix, *WORLD[: ENOUGH - 1])) == set()
    assert shown(*translated(prefix, *WORLD[:ENOUGH])) == {prefix}
    assert shown(*translated(prefix, *WORLD[: ENOUGH - 1] * 2)) == set()


def test_clients_from_one_corner_of_ipv4_may_be_somebodys_way_to_number_hosts() -> None:
    corner = [bytes([5 + n % (SPREAD - 1), 1, 2, n + 1]) for n in range(90)]
    assert shown(*translated("2001:db8:122:344::/96", *corner)) == set()


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param([f"2001:db8:1:2::{n:x}" for n in range(1, 200)], id="numbered hosts"),
        pytest.param([f"2001:db8:1:2::{n}:25" for n in range(1, 200)], id="numbered services"),
        pytest.param([f"2001:db8:{n:x}::25" for n in range(1, 200)], id="a host in each of many sites"),
        pytest.param([f"2001:db8:1:2:{n:x}ff:fe00:{n:x}{n:x}:1" for n in range(16, 100)], id="by MAC addresses"),
        pytest.param([f"2001:db8:1:2::10.1.{n}.1" for n in range(200)], id="private IPv4 addresses"),
    ],
)
def test_native_hosts_do_not_look_like_a_translators_clients(addresses: list[str]) -> None:
    assert shown(*map(pack, addresses)) == set()


@pytest.mark.parametrize("prefix", ["64:ff9b:1::/48", "64:ff9b:1:300::/56", "64:ff9b:1:344::/64", "64:ff9b:1::/96"])
@pytest.mark.parametrize("ipv4", [b"\xc0\x1f\xc4\x0a", b"\x05\x06\x07\x08"])
def test_one_address_known_for_a_translators_makes_a_guess(prefix: str, ipv4: bytes) -> None:
    (address,) = translated(prefix, ipv4)
    found = guess(address)
    assert found
    assert found.text == prefix


@pytest.mark.parametrize("address", ["64:ff9b:1:0:ff00::1", "64:ff9b:1::10.0.0.1", "64:ff9b:1::"])
def test_an_address_without_a_global_ipv4_one_makes_none(address: str) -> None:
    assert guess(pack(address)) is None


def test_a_flood_of_addresses_takes_no_more_room_and_hides_no_translator() -> None:
    shapes = Shapes()
    found: set[str] = set()
    for n, client in enumerate(translated("2001:db8:122:344::/96", *WORLD)):
        for site in range(100):
            shapes.add(pack(f"2001:db8:{n:x}:{site:x}::5.6.7.8"))
        found |= shapes.add(client).keys()
    assert "2001:db8:122:344::/96" in found
    assert len(shapes._seen) <= 512  # noqa: SLF001  the room that it takes
    for n in range(1000):
        shown_by = shapes.add(translated("2001:db8:122:344::/96", bytes([5, 6, n // 250, n % 250]))[0])
    assert len(shown_by["2001:db8:122:344::/96"]) == 100


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=30))
def test_no_address_breaks_it(addresses: list[bytes]) -> None:
    shown(*addresses)
    for address, other in pairwise(addresses):
        guess(address)
        assert shown(address, other) == set()
