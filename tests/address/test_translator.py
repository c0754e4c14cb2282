import re
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.client import Origin
from milter64.address.networks import pack, unpack
from milter64.address.translation_prefix import Mapping, Prefix
from milter64.address.translator import Translator
from rig.prefixes import ipv4_addresses, is_source, mappings, prefixes

RFC6052_TABLE_1 = [
    ("2001:db8::/32", "192.0.2.33", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "192.0.2.33", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "192.0.2.33", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "192.0.2.33", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "192.0.2.33", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "192.0.2.33", "2001:db8:122:344::192.0.2.33"),
]
RFC7757_FIGURE_1 = [
    ("192.0.2.1", "2001:db8:aaaa::"),
    ("192.0.2.2/32", "2001:db8:bbbb::b/128"),
    ("192.0.2.16/28", "2001:db8:cccc::/124"),
    ("192.0.2.128/26", "2001:db8:dddd::/64"),
    ("192.0.2.192/29", "2001:db8:eeee:8::/62"),
    ("192.0.2.224/31", "64:ff9b::/127"),
]
RFC7757_FIGURE_7 = [
    ("192.0.2.1", "2001:db8:aaaa::"),
    ("192.0.2.2", "2001:db8:bbbb::b"),
    ("192.0.2.16", "2001:db8:cccc::"),
    ("192.0.2.24", "2001:db8:cccc::8"),
    ("192.0.2.31", "2001:db8:cccc::f"),
    ("192.0.2.128", "2001:db8:dddd::"),
    ("192.0.2.152", "2001:db8:dddd:0:6000::"),
    ("192.0.2.183", "2001:db8:dddd:0:dc00::"),
    ("192.0.2.191", "2001:db8:dddd:0:fc00::"),
    ("192.0.2.195", "2001:db8:eeee:9:8000::"),
    ("192.0.2.225", "64:ff9b::1"),
]
EMBEDDED = {
    32: (4, 5, 6, 7),
    40: (5, 6, 7, 9),
    48: (6, 7, 9, 10),
    56: (7, 9, 10, 11),
    64: (9, 10, 11, 12),
    96: (12, 13, 14, 15),
}
"""Octets of the IPv4 address, as the figure of RFC 6052 2.2 has them."""
WELL_KNOWN = Prefix("64:ff9b::/96")
SIIT_DC = Translator([WELL_KNOWN], [Mapping(*row) for row in RFC7757_FIGURE_1])
EVERY_LENGTH = Translator([Prefix(prefix) for prefix, _, _ in RFC6052_TABLE_1])


def decoded(translator: Translator, wire: str) -> tuple[str, Origin]:
    client = translator.client(wire)
    return client.address, client.origin


ipv6_addresses = st.binary(min_size=16, max_size=16) | st.builds(
    lambda prefix, cut, rest: pack(prefix)[:cut] + rest[cut:],
    st.sampled_from(["64:ff9b::", "64:ff9b:1::", "::ffff:0:0", "2001:db8:122:344::", "2001:db8:eeee:8::"]),
    st.sampled_from([4, 6, 8, 9, 12]),
    st.binary(min_size=16, max_size=16),
)


class TestPrefix:
    @pytest.mark.parametrize(("prefix", "ipv4", "ipv6"), RFC6052_TABLE_1)
    def test_rfc_6052_table_1_holds_both_ways(self, prefix: str, ipv4: str, ipv6: str) -> None:
        assert Prefix(prefix).encode(pack(ipv4)) == pack(ipv6)
        assert Prefix(prefix).decode(pack(ipv6)) == pack(ipv4)

    def test_rfc_6052_table_2_holds_for_an_address_that_the_well_known_prefix_may_carry(self) -> None:
        assert WELL_KNOWN.encode(pack("192.31.196.10")) == pack("64:ff9b::192.31.196.10")
        assert WELL_KNOWN.decode(pack("64:ff9b::192.31.196.10")) == pack("192.31.196.10")

    @pytest.mark.parametrize("ipv4", ["192.0.2.33", "10.0.0.1", "100.64.0.1", "240.0.0.1", "255.255.255.254"])
    def test_only_the_well_known_prefix_must_not_carry_what_is_not_global(self, ipv4: str) -> None:
        assert WELL_KNOWN.encode(pack(ipv4)) is None
        assert WELL_KNOWN.decode(pack(f"64:ff9b::{ipv4}")) is None
        assert Prefix("64:ff9b:1::/96").encode(pack(ipv4)) == pack(f"64:ff9b:1::{ipv4}")
        assert Prefix("64:ff9b:1::/96").decode(pack(f"64:ff9b:1::{ipv4}")) == pack(ipv4)

    @pytest.mark.parametrize(
        "ipv4",
        ["0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.255", "224.0.0.1", "239.1.1.1", "255.255.255.255"],
    )
    @pytest.mark.parametrize("prefix", [row[0] for row in RFC6052_TABLE_1] + ["64:ff9b::/96", "64:ff9b:1::/96"])
    def test_no_prefix_carries_what_no_packet_comes_from(self, prefix: str, ipv4: str) -> None:
        would_be = bytearray(Prefix(prefix).packed.ljust(16, b"\0"))
        for octet, place in zip(pack(ipv4), EMBEDDED[Prefix(prefix).length], strict=True):
            would_be[place] = octet
        wire = unpack(bytes(would_be))
        assert Prefix(prefix).encode(pack(ipv4)) is None
        assert decoded(Translator([Prefix(prefix)]), wire) == (wire, Origin.INVALID)

    @given(prefixes(), ipv4_addresses)
    def test_what_was_encoded_is_decoded(self, prefix: Prefix, ipv4: bytes) -> None:
        encoded = prefix.encode(ipv4)
        assert encoded is not None
        assert prefix.decode(encoded) == ipv4

    @given(prefixes(), ipv4_addresses, st.binary(min_size=16, max_size=16))
    def test_a_suffix_is_ignored(self, prefix: Prefix, ipv4: bytes, noise: bytes) -> None:
        encoded = prefix.encode(ipv4)
        assert encoded is not None
        suffix = {32: 9, 40: 10, 48: 11, 56: 12, 64: 13, 96: 16}[prefix.length]
        assert prefix.decode(encoded[:suffix] + noise[suffix:]) == ipv4

    @given(prefixes(), ipv4_addresses, st.integers(1, 255))
    def test_bits_64_to_71_must_be_zero(self, prefix: Prefix, ipv4: bytes, octet: int) -> None:
        encoded = prefix.encode(ipv4)
        assert encoded is not None
        assert encoded[8] == 0
        assert prefix.decode(encoded[:8] + bytes([octet]) + encoded[9:]) is None

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("64:ff9b::", "is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96"),
            ("2001:db8::/33", "is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96"),
            ("2001:db8::/128", "is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96"),
            ("192.0.2.0/32", "is not an IPv6 prefix of length 32, 40, 48, 56, 64 or 96"),
            ("64:ff9b::1/96", "has bits set behind its length; did you mean 64:ff9b::/96?"),
            ("2001:db8:0:0:100::/96", "has bits 64 to 71 set, which must be zero"),
            ("64:ff9b::/64", "must be 64:ff9b::/96, the only length of the Well-Known Prefix"),
            ("64:ff9b::/32", "must be 64:ff9b::/96, the only length of the Well-Known Prefix"),
            ("nat64", "is not a network such as"),
        ],
    )
    def test_what_is_no_prefix_is_refused_with_the_reason(self, text: str, why: str) -> None:
        with pytest.raises(ValueError, match="^" + re.escape(f"{text!r} {why}")):
            Prefix(text)

    def test_bits_72_to_95_of_a_long_prefix_are_free(self) -> None:
        prefix = Prefix("2001:db8::1:0:0/96")
        assert prefix.decode(pack("2001:db8::1:c000:201")) == pack("192.0.2.1")
        assert prefix.text == "2001:db8::1:0:0/96"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("::/96", "there are the loopback"),
            ("::/64", "there are the loopback"),
            ("::/32", "there are the loopback"),
            ("::ffff:0:0/96", "so a socket shows IPv4 itself"),
            ("2001::/32", "it is Teredo's"),
            ("2001:0:1::/48", "it is Teredo's"),
            ("2002::/32", "it is 6to4's"),
            ("2002:c01f:c40a:64::/64", "it is 6to4's"),
            ("fe80::/64", "it is link-local"),
            ("febf:ffff::/32", "it is link-local"),
            ("ff0e::/96", "it is multicast"),
        ],
    )
    def test_what_can_be_no_translators_is_refused_with_the_reason(self, text: str, why: str) -> None:
        with pytest.raises(ValueError, match="can't be a translator's") as refusal:
            Prefix(text)
        assert str(refusal.value).startswith(f"{text!r} can't be a translator's: {why}")

    @pytest.mark.parametrize(
        "text", ["2001:db8::/32", "2001:1::/32", "2003::/32", "fd00::/48", "fec0::/64", "::1:0:0:0/96"]
    )
    def test_their_neighbours_can(self, text: str) -> None:
        assert Prefix(text).text == text


class TestMapping:
    @pytest.mark.parametrize(("ipv4", "ipv6"), RFC7757_FIGURE_7)
    def test_rfc_7757_figure_7_holds_both_ways(self, ipv4: str, ipv6: str) -> None:
        assert decoded(SIIT_DC, ipv6) == (ipv4, Origin.TRANSLATED)
        assert [address for address, _ in SIIT_DC.encode(ipv4)] == [ipv6]

    def test_the_last_row_of_rfc_7757_figure_7_holds_for_an_address_that_the_well_known_prefix_may_carry(self) -> None:
        # The RFC's own, 192.0.2.248, is for documentation, and so no legal translation (RFC 6052 3.1).
        assert decoded(SIIT_DC, "64:ff9b::c000:2f8") == ("64:ff9b::c000:2f8", Origin.INVALID)
        assert SIIT_DC.encode("192.0.2.248") == []
        assert decoded(SIIT_DC, "64:ff9b::c01f:c4f8") == ("192.31.196.248", Origin.TRANSLATED)
        assert SIIT_DC.encode("192.31.196.248") == [("64:ff9b::c01f:c4f8", "64:ff9b::/96")]

    @given(mappings(), st.data())
    def test_an_address_is_translated_step_by_step_as_rfc_7757_has_it(
        self, blocks: tuple[IPv4Network, IPv6Network], data: st.DataObject
    ) -> None:
        four, six = blocks
        mapping = Mapping(str(four), str(six))
        ipv4 = four[data.draw(st.integers(0, four.num_addresses - 1))]
        encoded = mapping.encode(ipv4.packed)
        if not is_source(ipv4.packed):
            assert encoded is None
            return
        assert encoded is not None
        # 3.3.1: the prefix bits of EAM6, the suffix bits of the IPv4 address, zeros.
        bits = f"{int(six[0]):0128b}"[: six.prefixlen] + f"{int(ipv4):032b}"[four.prefixlen :]
        assert f"{int.from_bytes(encoded):0128b}" == bits.ljust(128, "0")
        assert mapping.decode(encoded) == ipv4.packed
        # 3.3.2: what is left of the suffix is discarded.
        surplus = six.max_prefixlen - six.prefixlen - (four.max_prefixlen - four.prefixlen)
        noise = data.draw(st.integers(0, 2**surplus - 1))
        assert mapping.decode((int.from_bytes(encoded) | noise).to_bytes(16)) == ipv4.packed

    @pytest.mark.parametrize("ipv4", ["0.0.0.1", "127.0.0.1", "224.0.0.1", "255.255.255.255"])
    def test_no_mapping_has_what_no_packet_comes_from(self, ipv4: str) -> None:
        everything, wire = Mapping("0.0.0.0/0", "2001:db8:46::/96"), f"2001:db8:46::{pack(ipv4).hex(':', 2)}"
        assert everything.encode(pack(ipv4)) is None
        assert Translator(explicit=[everything]).client(wire).origin is Origin.INVALID

    def test_an_address_outside_the_block_is_not_encoded(self) -> None:
        mapping = Mapping("192.0.2.16/28", "2001:db8:cccc::/124")
        assert mapping.encode(pack("192.0.2.15")) is None
        assert mapping.encode(pack("192.0.2.32")) is None

    @pytest.mark.parametrize(
        ("ipv4", "ipv6", "message"),
        [
            ("192.0.2.0/24", "::/121", "'::/121' has fewer addresses than '192.0.2.0/24' (RFC 7757 3.2)"),
            ("2001:db8::1", "192.0.2.1", "'2001:db8::1' must be an IPv4 block and '192.0.2.1' an IPv6 block"),
            ("::1", "::2", "'::1' must be an IPv4 block and '::2' an IPv6 block"),
            ("192.0.2.1", "192.0.2.2", "'192.0.2.1' must be an IPv4 block and '192.0.2.2' an IPv6 block"),
            ("192.0.2.1/24", "::/96", "'192.0.2.1/24' has bits set behind its length; did you mean 192.0.2.0/24?"),
            ("192.0.2.0/24", "::1/96", "'::1/96' has bits set behind its length; did you mean ::/96?"),
            ("192.0.2.256", "2001:db8::1", "'192.0.2.256' is not a network such as 192.0.2.0/24 or 2001:db8::/32"),
        ],
    )
    def test_what_can_not_be_mapped_is_refused_with_the_reason(self, ipv4: str, ipv6: str, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            Mapping(ipv4, ipv6)


class TestTranslator:
    @pytest.mark.parametrize("order", [1, -1])
    def test_the_longest_prefix_counts_whatever_the_order(self, order: int) -> None:
        nested = ["2001:db8::/32", "2001:db8:100::/40", "2001:db8:122::/48", "2001:db8:122:344::/64"]
        translator = Translator([Prefix(text) for text in [*nested, "2001:db8:122:344::/96"]][::order])
        assert decoded(translator, "2001:db8:122:344::192.0.2.33") == ("192.0.2.33", Origin.TRANSLATED)
        assert decoded(translator, "2001:db8:122:344:c0:2:2100::") == ("192.0.2.33", Origin.TRANSLATED)
        assert decoded(translator, "2001:db8:122:c000:2:2100::") == ("192.0.2.33", Origin.TRANSLATED)
        assert decoded(translator, "2001:db8:1c0:2:21::") == ("192.0.2.33", Origin.TRANSLATED)
        assert decoded(translator, "2001:db8:c000:221::") == ("192.0.2.33", Origin.TRANSLATED)

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_longest_mapping_counts_whatever_the_order(self, order: int) -> None:
        rows = [
            ("192.0.2.0/24", "2001:db8::/96"),
            ("192.0.2.128/25", "2001:db8:1::/96"),
            ("198.51.100.1", "2001:db8::7"),
        ]
        translator = Translator(explicit=[Mapping(*row) for row in rows][::order])
        assert decoded(translator, "2001:db8::700:0") == ("192.0.2.7", Origin.TRANSLATED)
        assert decoded(translator, "2001:db8::7") == ("198.51.100.1", Origin.TRANSLATED)
        assert translator.encode("192.0.2.127") == [("2001:db8::7f00:0", "192.0.2.0/24 = 2001:db8::/96")]
        assert translator.encode("192.0.2.129") == [("2001:db8:1::200:0", "192.0.2.128/25 = 2001:db8:1::/96")]

    def test_a_mapping_goes_before_a_longer_prefix(self) -> None:
        translator = Translator([Prefix("2001:db8::/96")], [Mapping("192.0.2.0/24", "2001:db8::/32")])
        assert decoded(translator, "2001:db8::198.51.100.1") == ("192.0.2.0", Origin.TRANSLATED)

    def test_an_address_without_a_mapping_is_encoded_with_every_prefix_that_may_carry_it(self) -> None:
        translator = Translator([WELL_KNOWN, Prefix("2001:db8::/32")])
        short = ("2001:db8:c01f:c40a::", "2001:db8::/32")
        assert translator.encode("192.31.196.10") == [("64:ff9b::c01f:c40a", "64:ff9b::/96"), short]
        assert translator.encode("10.0.0.1") == [("2001:db8:a00:1::", "2001:db8::/32")]

    @pytest.mark.parametrize("address", ["2001:db8::1", "192.0.2.256", ""])
    def test_only_ipv4_addresses_are_encoded(self, address: str) -> None:
        with pytest.raises(ValueError, match=r"[Oo]ctet|empty"):
            EVERY_LENGTH.encode(address)

    @given(ipv6_addresses | ipv4_addresses)
    def test_any_address_is_decoded_or_left_alone(self, packed: bytes) -> None:
        for translator in (Translator(), SIIT_DC, EVERY_LENGTH):
            client = translator.client(unpack(packed))
            assert client.wire_packed == packed
            if client.origin in (Origin.TRANSLATED, Origin.MAPPED):
                assert len(client.packed) == 4
                assert client.via
            else:
                assert client.packed == packed

    @given(ipv4_addresses)
    def test_every_encoding_is_decoded(self, ipv4: bytes) -> None:
        apart = Translator([WELL_KNOWN, *(Prefix(f"2001:db8:{length}::/{length}") for length in (48, 56, 64, 96))])
        for translator in (SIIT_DC, apart):
            for ipv6, _ in translator.encode(unpack(ipv4)):
                assert decoded(translator, ipv6) == (unpack(ipv4), Origin.TRANSLATED)

    @given(st.text())
    def test_no_text_from_a_mail_server_is_too_strange(self, text: str) -> None:
        assert SIIT_DC.client(text).origin in Origin
