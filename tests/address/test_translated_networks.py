from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.client import Origin
from milter64.address.networks import Network, pack
from milter64.address.translation_prefix import Mapping, Prefix
from milter64.address.translator import Translator
from rig.prefixes import ipv4_addresses, is_source, mappings, prefixes

WELL_KNOWN = Prefix("64:ff9b::/96")


def cut(packed: bytes, length: int) -> bytes:
    shift = len(packed) * 8 - length
    return (int.from_bytes(packed) >> shift << shift).to_bytes(len(packed))


def network(text: str) -> Network:
    address, _, length = text.partition("/")
    return pack(address), int(length)


OF_A_SLASH_24 = [
    ("2001:db8::/32", "2001:db8:c01f:c400::/56"),
    ("2001:db8:100::/40", "2001:db8:1c0:1fc4::/64"),
    ("2001:db8:122::/48", "2001:db8:122:c01f:c4::/80"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:1f:c400::/88"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:1fc4::/96"),
    ("64:ff9b::/96", "64:ff9b::c01f:c400/120"),
]


class TestNetwork:
    @pytest.mark.parametrize(("prefix", "ipv6"), OF_A_SLASH_24)
    def test_a_network_is_encoded_and_decoded_with_every_length_of_a_prefix(self, prefix: str, ipv6: str) -> None:
        translator = Translator([Prefix(prefix)])
        assert translator.encode_network(network("192.31.196.0/24")) == [(network(ipv6), prefix)]
        decoded = [(network("192.31.196.0/24"), prefix)]
        assert translator.decode_network(network(ipv6)) == (Origin.TRANSLATED, decoded)

    @given(prefixes(), ipv4_addresses, ipv4_addresses, st.integers(0, 32))
    def test_in_the_form_of_a_network_are_the_forms_of_its_addresses_and_of_no_other(
        self, prefix: Prefix, some: bytes, other: bytes, length: int
    ) -> None:
        ipv4 = cut(some, length), length
        form = prefix.encode_network(ipv4)
        assert form
        for each in (some, other):
            wire = prefix.encode(each)
            assert wire
            assert (cut(wire, form[1]) == form[0]) == (cut(each, length) == ipv4[0])
        assert prefix.decode_network(form) == ipv4

    @given(mappings(), st.data())
    def test_a_mapping_carries_networks_over_as_it_does_addresses(
        self, blocks: tuple[IPv4Network, IPv6Network], data: st.DataObject
    ) -> None:
        block4, block6 = blocks
        mapping = Mapping(str(block4), str(block6))
        host = int(block4[0]) + data.draw(st.integers(0, block4.num_addresses - 1))
        length = data.draw(st.integers(block4.prefixlen, 32))
        some = host.to_bytes(4)
        ipv4 = cut(some, length), length
        if is_source(some):
            form, wire = mapping.encode_network(ipv4), mapping.encode(some)
            assert form
            assert wire
            assert cut(wire, form[1]) == form[0]
            assert mapping.decode_network(form) == ipv4
        assert block4.prefixlen == 0 or mapping.encode_network((bytes(4), 0)) is None

    @pytest.mark.parametrize(
        ("ipv6", "origin", "found"),
        [
            ("64:ff9b::/96", Origin.TRANSLATED, [("0.0.0.0/0", "64:ff9b::/96")]),
            ("64:ff9b::a00:0/104", Origin.INVALID, [(None, "64:ff9b::/96")]),
            ("64:ff9b::/64", Origin.TRANSLATED, [(None, "64:ff9b::/96")]),
            ("::ffff:192.31.196.0/120", Origin.MAPPED, [("192.31.196.0/24", "::ffff:0:0/96")]),
            ("64:ff9b:1::/96", Origin.UNDECODED, []),
            ("2001:db8:1::/48", Origin.IPV6, []),
            ("2001:db8:64:344::/65", Origin.TRANSLATED, [("0.0.0.0/0", "2001:db8:64:344::/64")]),
            ("2001:db8:64:344:100::/72", Origin.INVALID, [(None, "2001:db8:64:344::/64")]),
            (
                "2001:db8:aaaa::7/128",
                Origin.TRANSLATED,
                [("198.51.100.7/32", "198.51.100.7/32 = 2001:db8:aaaa::7/128")],
            ),
            (
                "2001:db8:65::c000:0/100",
                Origin.TRANSLATED,
                [
                    ("192.0.0.0/4", "2001:db8:65::/96"),
                    ("198.51.100.8/32", "198.51.100.8/32 = 2001:db8:65::c633:6408/128"),
                ],
            ),
        ],
    )
    def test_what_an_ipv6_network_stands_for_is_told_and_nothing_wider(
        self, ipv6: str, origin: Origin, found: list[tuple[str | None, str]]
    ) -> None:
        explicit = [("198.51.100.7", "2001:db8:aaaa::7"), ("198.51.100.8", "2001:db8:65::c633:6408")]
        prefixes = map(Prefix, ("64:ff9b::/96", "2001:db8:64:344::/64", "2001:db8:65::/96"))
        translator = Translator(prefixes, [Mapping(*each) for each in explicit])
        expected = [(network(form) if form else None, via) for form, via in found]
        assert translator.decode_network(network(ipv6)) == (origin, expected)

    def test_what_a_mapping_has_of_a_network_is_encoded_too(self) -> None:
        mapping = Mapping("192.31.196.7", "2001:db8:aaaa::7")
        assert Translator([WELL_KNOWN], [mapping]).encode_network(network("192.31.196.0/24")) == [
            (network("64:ff9b::c01f:c400/120"), "64:ff9b::/96"),
            (network("2001:db8:aaaa::7/128"), mapping.text),
        ]
        assert Translator([WELL_KNOWN], [mapping]).encode_network(network("192.31.196.7/32")) == [
            (network("2001:db8:aaaa::7/128"), mapping.text)
        ]
        assert Translator([WELL_KNOWN]).encode_network(network("10.0.0.0/8")) == []
