import pytest

from milter64.address.client import Origin
from milter64.address.networks import Networks, pack
from milter64.address.translation_prefix import Mapping, Pattern, Prefix
from milter64.address.translator import Translator
from milter64.config.load_file import parse

PREFIXES = [Prefix(text) for text in ("64:ff9b::/96", "2001:db8:64::/96", "2001:db8:48::/48", "64:ff9b:1:fffe::/96")]
MAPPINGS = [Mapping("192.0.2.1", "2001:db8:aaaa::1")]
GATEWAYS = ["64:ff9b::c01f:c401", "198.51.100.1", "2001:db8:9::1"]
TRANSLATOR = Translator(PREFIXES, MAPPINGS, GATEWAYS)


class TestOrigin:
    @pytest.mark.parametrize(
        ("wire", "address", "origin", "via"),
        [
            ("192.0.2.7", "192.0.2.7", Origin.IPV4, ""),
            ("127.0.0.1", "127.0.0.1", Origin.IPV4, ""),
            ("2001:db8::7", "2001:db8::7", Origin.IPV6, ""),
            ("::1", "::1", Origin.IPV6, ""),
            ("64:ff9c::c01f:c40a", "64:ff9c::c01f:c40a", Origin.IPV6, ""),
            ("64:ff9b::1:c01f:c40a", "64:ff9b::1:c01f:c40a", Origin.IPV6, ""),
            ("::ffff:192.0.2.7", "192.0.2.7", Origin.MAPPED, "::ffff:0:0/96"),
            ("::ffff:10.0.0.1", "10.0.0.1", Origin.MAPPED, "::ffff:0:0/96"),
            ("64:ff9b::c01f:c40a", "192.31.196.10", Origin.TRANSLATED, "64:ff9b::/96"),
            ("2001:db8:64::a00:1", "10.0.0.1", Origin.TRANSLATED, "2001:db8:64::/96"),
            ("64:ff9b:1:fffe::a00:1", "10.0.0.1", Origin.TRANSLATED, "64:ff9b:1:fffe::/96"),
            ("2001:db8:aaaa::1", "192.0.2.1", Origin.TRANSLATED, "192.0.2.1/32 = 2001:db8:aaaa::1/128"),
            ("64:ff9b::7f00:1", "64:ff9b::7f00:1", Origin.INVALID, "64:ff9b::/96"),
            ("64:ff9b::c000:201", "64:ff9b::c000:201", Origin.INVALID, "64:ff9b::/96"),
            ("2001:db8:48:c000:2:100::", "192.0.2.1", Origin.TRANSLATED, "2001:db8:48::/48"),
            ("2001:db8:48:c000:102:100::", "2001:db8:48:c000:102:100::", Origin.INVALID, "2001:db8:48::/48"),
            ("64:ff9b:1::c01f:c40a", "64:ff9b:1::c01f:c40a", Origin.UNDECODED, ""),
            ("64:ff9b:1:ffff:ffff::1", "64:ff9b:1:ffff:ffff::1", Origin.UNDECODED, ""),
            ("64:ff9b:2::1", "64:ff9b:2::1", Origin.IPV6, ""),
            ("2001:db8:64::7f00:1", "2001:db8:64::7f00:1", Origin.INVALID, "2001:db8:64::/96"),
            ("64:ff9b::c01f:c401", "64:ff9b::c01f:c401", Origin.MASKED, ""),
            ("198.51.100.1", "198.51.100.1", Origin.MASKED, ""),
            ("2001:db8:9::1", "2001:db8:9::1", Origin.MASKED, ""),
            (None, "", Origin.UNKNOWN, ""),
            ("", "", Origin.UNKNOWN, ""),
            ("localhost", "", Origin.UNKNOWN, ""),
            ("fe80::1%eth0", "", Origin.UNKNOWN, ""),
        ],
    )
    def test_every_address_has_its_origin(self, wire: str | None, address: str, origin: Origin, via: str) -> None:
        client = TRANSLATOR.client(wire)
        assert (client.address, client.origin, client.via) == (address, origin, via)
        assert client.packed == (pack(address) if address else b"")
        known = origin is not Origin.UNKNOWN
        assert (client.wire, client.wire_packed) == ((wire, pack(wire or "")) if known else ("", b""))

    def test_nothing_configured_leaves_both_reserved_prefixes_undecoded(self) -> None:
        assert Translator().client("64:ff9b::c01f:c40a").origin is Origin.UNDECODED
        assert Translator().client("64:ff9b:1::c01f:c40a").origin is Origin.UNDECODED

    def test_a_prefix_over_the_local_use_range_decodes_it_without_the_well_known_prefixs_rule(self) -> None:
        translator = Translator([Prefix("64:ff9b:1::/48")])
        assert translator.client("64:ff9b:1:c0a8:1:6400::").address == "192.168.1.100"

    def test_the_address_on_the_wire_is_canonical_too(self) -> None:
        assert TRANSLATOR.client("64:FF9B:0::192.31.196.10").wire == "64:ff9b::c01f:c40a"

    def test_an_origin_is_its_word_in_settings_and_logs(self) -> None:
        words = "ipv4 ipv6 mapped translated invalid undecoded masked unknown"
        assert " ".join(Origin) == words

    @pytest.mark.parametrize("origin", Origin)
    def test_four_origins_know_the_clients_own_address(self, origin: Origin) -> None:
        assert origin.identifies is (origin.value in {"ipv4", "ipv6", "mapped", "translated"})


class TestSynthesised:
    @pytest.mark.parametrize(
        ("address", "invented"),
        [
            ("64:ff9b::c01f:c40a", True),
            ("64:ff9b::7f00:1", True),
            ("64:ff9b:1::1", True),
            ("::ffff:192.0.2.1", True),
            ("2001:db8:64::c000:201", True),
            ("2001:db8:65::c000:201", False),
            ("2001:db8:aaaa::1", False),
            ("::1", False),
        ],
    )
    def test_dns64_invents_what_lies_in_a_translation_prefix(self, address: str, *, invented: bool) -> None:
        assert TRANSLATOR.synthesised(address) is invented

    def test_the_reserved_prefixes_count_as_invented_even_when_nothing_is_configured(self) -> None:
        assert Translator().synthesised("64:ff9b::c01f:c40a")
        assert Translator().synthesised("64:ff9b:1::1")
        assert not Translator().synthesised("2001:db8:64::c000:201")


def pattern(prefix: str, tail: bytes = b"") -> Pattern:
    """Return what a DNS64 with a prefix invents, of any length and with any bits; zeros at the end, or `tail`."""
    address, _, length = prefix.partition("/")
    behind = {"32": 7, "40": 6, "48": 5, "56": 4, "64": 3, "96": 0}[length]
    return Pattern(head=pack(address)[: int(length) // 8], tail=tail.rjust(behind, b"\0"))


class TestLearned:
    """What a DNS64 invents: no host's address, and of a client's nobody knows which IPv4 address it has."""

    @pytest.mark.parametrize(
        ("prefix", "inside", "beside"),
        [
            ("2001:db8:5::/96", ["2001:db8:5::c01f:c40a", "2001:db8:5::25"], ["2001:db8:5::1:0:0", "2001:db8:6::1"]),
            ("2001:db8:5:6:ff00::/96", ["2001:db8:5:6:ff00::c01f:c40a"], ["2001:db8:5:6::c01f:c40a"]),
            (
                "2001:db8:5:6::/64",
                ["2001:db8:5:6:c0:1fc4:a00::"],
                ["2001:db8:5:6::25", "2001:db8:5:6:a8bb:ccff:fedd:1"],
            ),
            ("2001:db8:5:600::/56", ["2001:db8:5:6c0:1f:c40a::"], ["2001:db8:5:6c0::25", "2001:db8:5:6c0:ff1f:c40a::"]),
            ("2001:db8:5::/48", ["2001:db8:5:c01f:c4:a00::"], ["2001:db8:5:c01f::25", "2001:db8:5:c01f:1c4:a00::"]),
            ("2001:db8:500::/40", ["2001:db8:5c0:1fc4:a::"], ["2001:db8:5c0:1fc4:a::25", "2001:db8:5c0:1fc4:a:0:1::"]),
            ("2001:db8::/32", ["2001:db8:c01f:c40a::"], ["2001:db8:c01f:c40a::25", "2001:db8:c01f:c40a:100::"]),
            ("64:ff9b::/32", ["64:ff9b:c01f:c40a::"], ["64:ff9b:c01f:c40a::1"]),
        ],
    )
    def test_a_prefix_of_dns64_is_a_translators_and_no_native_neighbours(
        self, prefix: str, inside: list[str], beside: list[str]
    ) -> None:
        translator = Translator()
        for address in (*inside, *beside):
            assert translator.client(address).origin is Origin.IPV6
        translator.distrust([pattern(prefix)])
        found = [translator.client(address) for address in inside]
        assert {(client.origin, client.via) for client in found} == {(Origin.UNDECODED, prefix)}
        assert [(client.ban, client.network(24, 64)) for client in found] == [
            ("", f"{each.wire}/128") for each in found
        ]
        assert [translator.synthesised(address) for address in inside] == [True] * len(inside)
        for address in beside:
            assert translator.client(address).origin is Origin.IPV6
            assert not translator.synthesised(address)

    def test_a_suffix_that_a_dns64_writes_is_known_by_it(self) -> None:
        translator = Translator()
        translator.distrust([pattern("2001:db8:5::/48", b"\1")])
        assert translator.synthesised("2001:db8:5:c01f:c4:a00::1")
        assert translator.synthesised("2001:db8:5:c01f:c4:a00::")
        assert not translator.synthesised("2001:db8:5:c01f:c4:a00::2")

    def test_what_is_configured_goes_before_what_is_learned(self) -> None:
        translator = Translator(PREFIXES, MAPPINGS, GATEWAYS)
        translator.distrust([pattern("2001:db8::/32"), pattern("2001:db8:aaaa::/96"), pattern("64:ff9b::/96")])
        for wire, origin in (
            ("2001:db8:64::c01f:c40a", Origin.TRANSLATED),
            ("2001:db8:aaaa::1", Origin.TRANSLATED),
            ("2001:db8:aaaa::2", Origin.UNDECODED),
            ("64:ff9b::c01f:c40a", Origin.TRANSLATED),
            ("2001:db8:9::1", Origin.MASKED),
        ):
            assert translator.client(wire).origin is origin

    def test_a_native_neighbour_is_banned_alone(self) -> None:
        translator = Translator()
        assert translator.client("2001:db8:5::1:0:1").ban == "2001:db8:5::/64"
        translator.distrust([pattern("2001:db8:5::/96")])
        assert translator.client("2001:db8:5::1:0:1").ban == "2001:db8:5::1:0:1"

    def test_who_has_learned_the_same_is_known_by_it(self) -> None:
        one, other = pattern("2001:db8:5::/96"), pattern("2001:db8:6::/96")
        seen = []
        for learned in ([], [one], [other], [one, other], [other, one], []):
            translator = Translator()
            translator.distrust(learned)
            seen.append(translator.knowledge)
        assert seen[0] == seen[5] == Translator().knowledge
        assert seen[3] == seen[4]
        assert len(set(seen)) == 4

    def test_what_is_learned_takes_the_place_of_what_was(self) -> None:
        translator = Translator()
        translator.distrust([pattern("2001:db8:5::/96")])
        translator.distrust([pattern("2001:db8:6::/96")])
        wires = ("2001:db8:5::c01f:c40a", "2001:db8:6::c01f:c40a")
        assert [translator.client(wire).origin for wire in wires] == [Origin.IPV6, Origin.UNDECODED]
        assert [translator.synthesised(wire) for wire in wires] == [False, True]


class TestClientNetwork:
    @pytest.mark.parametrize(
        ("wire", "network"),
        [
            pytest.param("192.31.196.10", "192.31.196.0/24", id="ipv4"),
            pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="ipv6"),
            pytest.param("::ffff:192.31.196.10", "192.31.196.0/24", id="mapped"),
            pytest.param("64:ff9b::c01f:c40a", "192.31.196.0/24", id="translated"),
            pytest.param("64:ff9b::7f00:1", "64:ff9b::7f00:1/128", id="invalid"),
            pytest.param("64:ff9b:1::1", "64:ff9b:1::1/128", id="undecoded"),
            pytest.param("2001:db8:9::1", "2001:db8:9::1/128", id="masked"),
            pytest.param("198.51.100.1", "198.51.100.1/32", id="masked IPv4"),
            pytest.param(None, "", id="unknown"),
        ],
    )
    def test_a_network_is_cut_from_the_clients_own_address_or_is_the_one_on_the_wire(
        self, wire: str | None, network: str
    ) -> None:
        assert TRANSLATOR.client(wire).network(24, 64) == network

    @pytest.mark.parametrize(
        ("wire", "lengths", "network"),
        [
            ("192.31.196.10", (32, 128), "192.31.196.10/32"),
            ("192.31.196.10", (0, 0), "0.0.0.0/0"),
            ("192.31.196.10", (31, 64), "192.31.196.10/31"),
            ("192.31.196.11", (31, 64), "192.31.196.10/31"),
            ("2001:db8::1", (24, 128), "2001:db8::1/128"),
            ("2001:db8:ffff::1", (24, 33), "2001:db8:8000::/33"),
            ("2001:db8::1", (24, 0), "::/0"),
        ],
    )
    def test_it_is_as_long_as_configured(self, wire: str, lengths: tuple[int, int], network: str) -> None:
        assert Translator().client(wire).network(*lengths) == network


class TestBan:
    @pytest.mark.parametrize(
        ("wire", "ban"),
        [
            pytest.param("192.31.196.10", "192.31.196.10", id="ipv4"),
            pytest.param("::ffff:192.31.196.10", "192.31.196.10", id="mapped: IPv4 on the wire"),
            pytest.param("64:ff9b::c01f:c40a", "64:ff9b::c01f:c40a", id="translated: the address on the wire"),
            pytest.param("2001:db8:64::c01f:c40a", "2001:db8:64::c01f:c40a", id="translated by one's own prefix"),
            pytest.param("2001:db8:48:c01f:c4:a00::", "2001:db8:48:c01f:c4:a00::", id="translated by a /48"),
            pytest.param("2001:db8:aaaa::1", "2001:db8:aaaa::1", id="explicitly mapped"),
            pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="ipv6: its /64"),
            pytest.param("64:ff9b::1:c01f:c40a", "64:ff9b::1:c01f:c40a", id="in the /64 of the well-known prefix"),
            pytest.param("2001:db8:64::1:0:1", "2001:db8:64::1:0:1", id="in the /64 of a prefix"),
            pytest.param("2001:db8:aaaa::2", "2001:db8:aaaa::2", id="in the /64 of a mapping"),
            pytest.param("2001:db8:9::2", "2001:db8:9::2", id="in the /64 of a gateway"),
            pytest.param("2001:db8:7::2", "2001:db8:7::2", id="in the /64 of a network that is spared"),
            pytest.param("2001:db8:7:1::2", "2001:db8:7:1::/64", id="beside it"),
            pytest.param("::2", "::2", id="in the /64 of ::ffff:0:0/96"),
            pytest.param("64:ff9b::7f00:1", "", id="invalid"),
            pytest.param("64:ff9b:1::1", "", id="undecoded"),
            pytest.param("2001:db8:9::1", "", id="masked"),
            pytest.param("198.51.100.1", "", id="masked IPv4"),
            pytest.param(None, "", id="unknown"),
            pytest.param("172.17.0.1", "", id="private: a container's gateway"),
            pytest.param("fd00::1", "", id="private IPv6"),
            pytest.param("2001:db8:64::a00:1", "2001:db8:64::a00:1", id="private behind a prefix: its own on the wire"),
        ],
    )
    def test_a_ban_hits_the_client_on_the_wire_and_nobody_else(self, wire: str | None, ban: str) -> None:
        translator = Translator(PREFIXES, MAPPINGS, GATEWAYS, spared=[Networks(["2001:db8:7::1", "192.0.2.0/24"])])
        assert translator.client(wire).ban == ban

    def test_the_well_known_prefix_is_all_of_ipv4_even_when_it_is_not_configured(self) -> None:
        assert Translator().client("64:ff9b::1:c01f:c40a").ban == "64:ff9b::1:c01f:c40a"
        assert Translator().client("64:ff9b::c01f:c40a").ban == ""

    def test_those_whom_the_settings_trust_are_spared(self) -> None:
        settings, _ = parse('trust.networks = ["2001:db8:7::1"]\ntrust.relays = ["2001:db8:8::1"]')
        clients = map(settings.translator().client, ("2001:db8:7::2", "2001:db8:8::2", "2001:db8:6::2"))
        assert [client.ban for client in clients] == ["2001:db8:7::2", "2001:db8:8::2", "2001:db8:6::/64"]
