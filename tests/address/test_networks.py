from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.networks import NON_GLOBAL_IPV4, PRIVATE, Networks, pack, parse_network, unpack
from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator

# https://www.iana.org/assignments/iana-ipv4-special-registry: address block, Globally Reachable. What is deprecated
# counts as not; multicast has a registry of its own.
ROWS = [
    ("0.0.0.0/8", False),
    ("0.0.0.0/32", False),
    ("10.0.0.0/8", False),
    ("100.64.0.0/10", False),
    ("127.0.0.0/8", False),
    ("169.254.0.0/16", False),
    ("172.16.0.0/12", False),
    ("192.0.0.0/24", False),
    ("192.0.0.0/29", False),
    ("192.0.0.8/32", False),
    ("192.0.0.9/32", True),
    ("192.0.0.10/32", True),
    ("192.0.0.170/32", False),
    ("192.0.0.171/32", False),
    ("192.0.2.0/24", False),
    ("192.31.196.0/24", True),
    ("192.52.193.0/24", True),
    ("192.88.99.0/24", False),
    ("192.88.99.2/32", False),
    ("192.168.0.0/16", False),
    ("192.175.48.0/24", True),
    ("198.18.0.0/15", False),
    ("198.51.100.0/24", False),
    ("203.0.113.0/24", False),
    ("224.0.0.0/4", False),
    ("240.0.0.0/4", False),
    ("255.255.255.255/32", False),
]
REGISTRY = [(IPv4Network(block), globally) for block, globally in ROWS]


class TestTexts:
    @pytest.mark.parametrize(
        "text",
        ["", "192.0.2", "192.0.2.256", "010.1.1.1", "192.0.2.1\0", "::1%eth0", "2001:db8::g", "IPv6:2001:db8::1", "ü"],
    )
    def test_what_is_no_address_is_refused_by_name(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not an IP address") as refusal:
            pack(text)
        assert repr(text) in str(refusal.value)

    @pytest.mark.parametrize(
        ("text", "canonical"),
        [
            pytest.param("192.0.2.1", "192.0.2.1", id="IPv4"),
            pytest.param("2001:DB8::0AB", "2001:db8::ab", id="RFC 5952 4.1 and 4.3"),
            pytest.param("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", id="RFC 5952 4.2.3"),
            pytest.param("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", id="RFC 5952 4.2.2"),
            pytest.param("64:ff9b::192.31.196.10", "64:ff9b::c01f:c40a", id="RFC 5952 5"),
        ],
    )
    def test_an_address_has_one_text(self, text: str, canonical: str) -> None:
        assert unpack(pack(text)) == canonical

    @given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16))
    def test_every_address_reads_back(self, packed: bytes) -> None:
        assert pack(unpack(packed)) == packed


class TestNetworks:
    @pytest.mark.parametrize(
        ("networks", "address", "inside"),
        [
            (["192.0.2.0/24"], "192.0.2.255", True),
            (["192.0.2.0/24"], "192.0.3.0", False),
            (["192.0.2.7/24"], "192.0.2.1", True),
            (["192.0.2.1"], "192.0.2.1", True),
            (["192.0.2.1"], "192.0.2.2", False),
            (["0.0.0.0/0"], "255.255.255.255", True),
            (["0.0.0.0/0"], "::", False),
            (["::/0"], "2001:db8::1", True),
            (["::/0"], "0.0.0.0", False),
            (["2001:db8::/33"], "2001:db8:7fff::1", True),
            (["2001:db8::/33"], "2001:db8:8000::1", False),
            (["10.0.0.0/8", "2001:db8::/32", "10.1.0.0/16"], "10.1.2.3", True),
            ([], "192.0.2.1", False),
        ],
    )
    def test_a_network_has_its_own_addresses_and_no_others(
        self, networks: list[str], address: str, *, inside: bool
    ) -> None:
        assert (pack(address) in Networks(networks)) is inside

    def test_an_unknown_address_is_in_no_network(self) -> None:
        assert b"" not in Networks(["0.0.0.0/0", "::/0"])

    @pytest.mark.parametrize(
        "text",
        ["", "/8", "10/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "010.1.1.1", "::1/129", "mail"],
    )
    def test_what_is_no_network_is_refused_with_an_example(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"is not a network such as 192\.0\.2\.0/24") as refusal:
            Networks([text])
        assert repr(text) in str(refusal.value)

    @pytest.mark.parametrize("text", ["192.0.2.1/0.0.0.0", "10.0.0.0/0.0.0.255", "10.0.0.0/255.0.0.0", "::/ffff::"])
    def test_masks_are_refused_because_they_read_two_ways(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a network"):
            parse_network(text)

    def test_networks_are_equal_when_they_hold_the_same_addresses(self) -> None:
        one, same = Networks(["192.0.2.1/24", "::1"]), Networks(["::1/128", "192.0.2.0/24"])
        assert one == same
        assert hash(one) == hash(same)
        assert one != Networks(["192.0.2.0/25", "::1"])
        assert one != "192.0.2.1/24"

    def test_only_a_set_without_networks_is_false(self) -> None:
        assert not Networks()
        assert Networks(["::/0"])

    def test_networks_show_what_was_written(self) -> None:
        assert repr(Networks(["192.0.2.7/24"])) == "Networks(['192.0.2.7/24'])"


def reachable(address: IPv4Address) -> bool:
    rows = {network.prefixlen: globally for network, globally in REGISTRY if address in network}
    return rows[max(rows)] if rows else True


class TestNonGlobalIPv4:
    @pytest.mark.parametrize(("block", "globally"), REGISTRY, ids=str)
    def test_a_row_of_the_registry_counts_from_its_first_address_to_its_last(
        self, block: IPv4Network, *, globally: bool
    ) -> None:
        inside = [block[0], block[block.num_addresses // 2], block[-1]]
        outside = [IPv4Address((int(block[0]) - 1) % 2**32), IPv4Address((int(block[-1]) + 1) % 2**32)]
        assert {address.packed in NON_GLOBAL_IPV4 for address in inside} == {not globally}
        for neighbour in outside:
            assert (neighbour.packed in NON_GLOBAL_IPV4) is not reachable(neighbour)

    @given(st.one_of(*(st.ip_addresses(network=block) for block, _ in REGISTRY), st.ip_addresses(v=4)))
    def test_the_most_specific_row_decides(self, address: IPv4Address) -> None:
        assert (address.packed in NON_GLOBAL_IPV4) is not reachable(address)

    @pytest.mark.parametrize(
        "address", ["192.0.0.9", "192.0.0.10", "192.31.196.10", "192.52.193.1", "192.175.48.1", "8.8.8.8"]
    )
    def test_special_purpose_does_not_mean_unreachable(self, address: str) -> None:
        assert pack(address) not in NON_GLOBAL_IPV4


class TestPrivate:
    @pytest.mark.parametrize(
        "address",
        [
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.100",
            "::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "febf::1",
        ],
    )
    def test_addresses_of_private_use_are_private(self, address: str) -> None:
        assert pack(address) in PRIVATE
        assert Translator().client(address).private

    @pytest.mark.parametrize(
        "address",
        [
            "100.128.0.1",
            "172.32.0.1",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "224.0.0.1",
            "0.0.0.0",
            "192.31.196.10",
            "::",
            "::2",
            "fbff::1",
            "fe00::1",
            "fec0::1",
            "2001:db8::1",
        ],
    )
    def test_documentation_and_public_addresses_are_not(self, address: str) -> None:
        assert pack(address) not in PRIVATE
        assert not Translator().client(address).private

    def test_the_decoded_address_is_what_counts(self) -> None:
        assert Translator([Prefix("2001:db8::/96")]).client("2001:db8::10.0.0.1").private

    def test_an_unknown_client_is_not_private(self) -> None:
        assert not Translator().client(None).private
