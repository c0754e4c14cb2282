import pytest

from milter64.address.networks import pack, unpack
from milter64.discover.dns64_prefix import NAME, Synthesis, ask, patterns, read, renewed, survey
from milter64.dns.nameserver import nameserver
from rig.dnsserver import DnsServer, Fault, Records
from rig.plaindns import PlainDns, Way

LENGTHS = [
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
    "2001:db8:122:344::/96",
    "64:ff9b::/96",
]


def invented(prefix: str, suffix: int = 0, *last: int) -> list[str]:
    """Return the AAAA records of ipv4only.arpa, or those of them for 192.0.0.`last`, as a DNS64 with a prefix has them.

    It may be one that RFC 6052 forbids.
    """
    address, _, length = prefix.partition("/")
    places = {
        32: (4, 5, 6, 7),
        40: (5, 6, 7, 9),
        48: (6, 7, 9, 10),
        56: (7, 9, 10, 11),
        64: (9, 10, 11, 12),
        96: (12, 13, 14, 15),
    }[int(length)]
    made = []
    for octet in last or (170, 171):
        packed = bytearray(pack(address)) if int(length) == 96 else bytearray(pack(address)[:15] + bytes([suffix]))
        for place, value in zip(places, (192, 0, 0, octet), strict=True):
            packed[place] = value
        made.append(unpack(bytes(packed)))
    return made


@pytest.mark.parametrize("suffix", [0, 7])
@pytest.mark.parametrize("prefix", LENGTHS)
def test_the_places_of_both_ipv4_addresses_tell_the_prefix(prefix: str, suffix: int) -> None:
    both = invented(prefix, suffix)
    assert [each.text for each in patterns(both)] == [prefix]
    assert [each.text for each in patterns(reversed(both))] == [prefix]


@pytest.mark.parametrize("last", [170, 171])
@pytest.mark.parametrize("prefix", LENGTHS)
def test_one_of_them_tells_nothing(prefix: str, last: int) -> None:
    assert patterns(invented(prefix, 0, last)) == ()


@pytest.mark.parametrize(
    "prefix",
    [
        "2001:db8:c000:aa::/96",
        "2001:db8:c000:ab::/96",
        "2001:db8:c000:aa::/64",
        "c000:aa:c000:aa::/96",
        "2001:db8:c0:0:aa:c000::/96",
        "2001:db8:c000:aa:c0::/96",
        "2001:dbc0:0:aa00::/56",
        "c000:aa::/40",
    ],
)
def test_a_prefix_may_have_octets_like_theirs(prefix: str) -> None:
    assert [each.text for each in patterns(invented(prefix))] == [prefix]


def test_two_prefixes_that_have_octets_like_both_of_them_are_two() -> None:
    both = ["2001:db8:c000:aa::/96", "2001:db8:c000:ab::/96"]
    assert [each.text for each in patterns([*invented(both[0]), *invented(both[1])])] == both


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        pytest.param(
            [*invented("2001:db8:42::/96"), *invented("2001:db8:7::/48"), *invented("64:ff9b::/96")],
            ["2001:db8:42::/96", "64:ff9b::/96", "2001:db8:7::/48"],
            id="several prefixes",
        ),
        pytest.param(
            [*invented("2001:db8:42::/96", 0, 170), *invented("2001:db8:43::/96", 0, 171)], [], id="of each only one"
        ),
        pytest.param(
            [*invented("2001:db8:42::/96"), *invented("2001:db8:43::/96", 0, 171)],
            ["2001:db8:42::/96"],
            id="of one both",
        ),
        pytest.param(
            [*invented("2001:db8::/32", 1, 170), *invented("2001:db8::/32", 2, 171)], [], id="with two suffixes"
        ),
        pytest.param(["2001:db8:c0:0:ff00:aa00::", "2001:db8:c0:0:ff00:ab00::"], [], id="bits 64 to 71 of a short one"),
        pytest.param(["2001:db8:0:c000:aa::", "2001:db8:0:c000:ab::"], [], id="in no place of RFC 6052's"),
        pytest.param(["2001:db8::1", "2001:db8::2"], [], id="a hijacker's answer"),
        pytest.param([], [], id="no answer"),
    ],
)
def test_a_prefix_explains_both_addresses_in_their_place(addresses: list[str], found: list[str]) -> None:
    assert [pattern.text for pattern in patterns(addresses)] == found


@pytest.mark.parametrize(
    ("prefix", "defect"),
    [
        ("2001:db8:1:2:ff00::/96", "bits 64 to 71"),
        ("2001:db8:1:2:100::/96", "bits 64 to 71"),
        ("64:ff9b::/32", "the only length of the Well-Known Prefix"),
    ],
)
def test_a_prefix_that_is_forbidden_is_known_and_no_prefix(prefix: str, defect: str) -> None:
    synthesis = read("127.0.0.1", tuple(invented(prefix)))
    assert [pattern.text for pattern in synthesis.patterns] == [prefix]
    assert defect in synthesis.patterns[0].defect
    assert (synthesis.prefixes, synthesis.error) == ((), "")


def asked(records: Records, fault: Fault = Fault(0), timeout: float = 5.0) -> Synthesis:  # noqa: B008  none at all
    with DnsServer(records) as server:
        server.faults[NAME] = fault
        return ask(nameserver(server.address), timeout)


REAL = {NAME: {"A": ["192.0.0.170", "192.0.0.171"]}}
SYNTHESISED = {NAME: {"A": REAL[NAME]["A"], "AAAA": invented("64:ff9b::/96")}}


def test_who_has_both_a_records_and_no_aaaa_is_no_dns64() -> None:
    synthesis = asked(REAL)
    assert (synthesis.patterns, synthesis.addresses, synthesis.error) == ((), (), "")


@pytest.mark.parametrize("records", [REAL, SYNTHESISED])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.SILENT, "no answer in time"),
        (Fault.SERVFAIL, "SERVFAIL"),
        (Fault.REFUSED, "REFUSED"),
        (Fault.GARBAGE, "no answer in time"),
    ],
)
def test_who_fails_tells_nothing(records: Records, fault: Fault, error: str) -> None:
    synthesis = asked(records, fault, 0.3)
    assert (synthesis.patterns, synthesis.error) == ((), error)


@pytest.mark.parametrize(
    ("records", "error"),
    [
        pytest.param({}, "NXDOMAIN", id="no such name"),
        pytest.param({NAME: {"TXT": ["-"]}}, "it has neither AAAA nor the A records", id="no such record"),
        pytest.param({NAME: {"A": ["192.0.0.170"]}}, "it has neither AAAA nor the A records", id="one of both"),
        pytest.param({NAME: {"A": ["127.0.0.1"]}}, "it has neither AAAA nor the A records", id="a hijacker's A"),
        pytest.param(
            {NAME: {"AAAA": ["2001:db8::1"]}}, "its AAAA records have no prefix in common", id="a hijacker's AAAA"
        ),
        pytest.param(
            {NAME: {"AAAA": invented("64:ff9b::/96", 0, 170)}},
            "its AAAA records have no prefix in common",
            id="one AAAA",
        ),
    ],
)
def test_an_answer_that_is_no_dns64s_and_no_other_resolvers_tells_nothing(records: Records, error: str) -> None:
    synthesis = asked(records)
    assert (synthesis.patterns, synthesis.error) == ((), error)


def test_a_closed_port_is_told_of() -> None:
    with DnsServer() as server:
        address = server.address
    assert ask(nameserver(address), 0.3).error == "Connection refused"


def test_an_answer_that_is_cut_short_is_fetched_over_tcp() -> None:
    assert [prefix.text for prefix in asked(SYNTHESISED, Fault.TRUNCATED).prefixes] == ["64:ff9b::/96"]


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize(("records", "number"), [(SYNTHESISED, 1), (REAL, 0)])
def test_a_nameserver_without_edns_says_what_it_is(way: Way, records: Records, number: int) -> None:
    with PlainDns(records) as server:
        server.way = way
        synthesis = ask(nameserver(server.address), 5.0)
    assert (len(synthesis.patterns), synthesis.error) == (number, "")


def test_each_nameserver_is_asked_by_itself_and_all_at_once() -> None:
    with DnsServer(SYNTHESISED) as dns64, DnsServer(REAL) as plain, DnsServer() as blind, DnsServer() as silent:
        silent.silence()
        servers = [nameserver(each.address) for each in (dns64, plain, blind, silent)]
        found = survey(servers, 0.3)
    assert [(each.nameserver, len(each.patterns), each.error) for each in found] == [
        (dns64.address, 1, ""),
        (plain.address, 0, ""),
        (blind.address, 0, "NXDOMAIN"),
        (silent.address, 0, "no answer in time"),
    ]


def test_who_has_nothing_to_say_has_what_it_invented_before_and_no_other() -> None:
    dns64, plain = read("one", tuple(invented("64:ff9b::/96"))), Synthesis(nameserver="two")
    before = renewed([dns64, plain], {})
    failed = [Synthesis(nameserver=name, error="SERVFAIL") for name in ("one", "two", "three")]
    assert renewed(failed, before) == {"one": dns64, "two": failed[1], "three": failed[2]}
    assert renewed([Synthesis(nameserver="one")], before) == {"one": Synthesis(nameserver="one")}
