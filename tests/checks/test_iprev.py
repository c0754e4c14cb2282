"""iprev by a real resolver: each result of RFC 8601 2.7.3, on the decoded address."""

import time
from collections.abc import Iterator

import pytest

from milter64.address.networks import pack
from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.checks.iprev import MOST_NAMES, Settings, iprev, reverse_name
from milter64.dns.lookup import Lookup, asked_alone
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings as DnsSettings
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session
from rig.dnsserver import DnsServer, Fault

TRANSLATOR = Translator([Prefix("64:ff9b::/96")])
FOUR = "10.196.31.192.in-addr.arpa"
"""The name of 192.31.196.10, which is 64:ff9b::c01f:c40a behind the translator."""
SIX = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
TRANSLATED = "a.0.4.c.f.1.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


def judge(server: DnsServer, wire: str = "64:ff9b::c01f:c40a", ttl: int | None = None) -> Finding:
    client = TRANSLATOR.client(wire)
    session = Session(token="token", client=client, port=0, helo="helo.example", mta="mx.example.net")
    settings = DnsSettings(nameservers=(server.address,), timeout=0.2)
    lookup = Lookup(time.monotonic() + 5)
    asking = iprev(Envelope(session=session, sender="a@example.org", login=""), lookup)
    finding = asked_alone(asking, Resolver(settings, TRANSLATOR))
    assert finding.key == ("iprev", "policy.iprev")
    assert ttl in (None, lookup.ttl)
    return finding


@pytest.mark.parametrize(
    ("packed", "name"),
    [
        (pack("192.31.196.10"), FOUR),
        (pack("2001:db8::1"), SIX),
        (
            pack("4321:0:1:2:3:4:567:89ab"),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
        ),
    ],
    ids=["RFC 1035 3.5", "RFC 3596 2.5", "RFC 3596 2.5, its example"],
)
def test_an_address_has_its_name_in_the_tree_of_its_family(packed: bytes, name: str) -> None:
    assert reverse_name(packed) == name


@pytest.mark.parametrize("wire", ["192.31.196.10", "::ffff:192.31.196.10", "64:ff9b::c01f:c40a"])
def test_an_ipv4_client_passes_by_its_own_name_whatever_its_address_on_the_wire(server: DnsServer, wire: str) -> None:
    server.records = {
        FOUR: {"PTR": ["Mail.example.org"]},
        "mail.example.org": {"A": ["192.0.2.1", "192.31.196.10"]},
        TRANSLATED: {"PTR": ["forged.example.net"]},
        "forged.example.net": {"AAAA": ["64:ff9b::c01f:c40a"]},
    }
    finding = judge(server, wire)
    assert (finding.result, finding.reason) == ("pass", "Mail.example.org")
    assert finding.facts == (("name", "Mail.example.org"),)


def test_an_ipv6_client_passes_by_aaaa(server: DnsServer) -> None:
    server.records = {SIX: {"PTR": ["six.example.org"]}, "six.example.org": {"AAAA": ["2001:DB8:0::1"]}}
    assert judge(server, "2001:db8::1").result == "pass"


def test_one_name_of_several_is_enough(server: DnsServer) -> None:
    server.records = {FOUR: {"PTR": ["a.example.org", "b.example.org"]}, "b.example.org": {"A": ["192.31.196.10"]}}
    finding = judge(server)
    assert (finding.result, finding.fact("name")) == ("pass", "b.example.org")


@pytest.mark.parametrize("shuffled", [["b.example.org", "A.example.org"], ["A.example.org", "b.example.org"]])
def test_all_names_that_lead_back_are_told_in_one_order_however_dns_shuffles_them(
    server: DnsServer, shuffled: list[str]
) -> None:
    server.records = {name: {"A": ["192.31.196.10"]} for name in ("a.example.org", "b.example.org")}
    server.records[FOUR] = {"PTR": [*shuffled, "c.example.org"]}
    finding = judge(server, ttl=60)
    assert (finding.result, finding.reason) == ("pass", "A.example.org")
    assert finding.facts == (("name", "A.example.org"), ("name", "b.example.org"))


@pytest.mark.parametrize(("leads_back", "silent"), [("a", "b"), ("b", "a")])
def test_whose_name_leads_back_waits_for_no_answer_about_more_of_them_than_one_and_is_soon_asked_about_it_again(
    server: DnsServer, leads_back: str, silent: str
) -> None:
    server.ttl = 3000
    server.records = {FOUR: {"PTR": [f"{each}.example.org" for each in "abcd"]}}
    server.records[f"{leads_back}.example.org"] = {"A": ["192.31.196.10"]}
    server.faults = {f"{each}.example.org": Fault.SERVFAIL for each in (silent, "c", "d")}
    finding = judge(server, ttl=60)
    assert (finding.result, finding.reason) == ("pass", f"{leads_back}.example.org; {silent}.example.org: SERVFAIL")
    assert finding.fact("unheard") == f"{silent}.example.org"
    assert server.count("c.example.org") == 0


def test_a_delegation_by_cname_is_followed(server: DnsServer) -> None:  # RFC 2317
    server.records = {
        FOUR: {"CNAME": ["10.0-127.196.31.192.in-addr.arpa"]},
        "10.0-127.196.31.192.in-addr.arpa": {"PTR": ["mail.example.org"]},
        "mail.example.org": {"CNAME": ["host.example.org"]},
        "host.example.org": {"A": ["192.31.196.10"]},
    }
    assert judge(server).fact("name") == "mail.example.org"


@pytest.mark.parametrize(
    "records",
    [
        {"A": ["192.0.2.1"]},
        {"AAAA": ["64:ff9b::c01f:c40a"]},
        {"TXT": ["192.31.196.10"]},
        {},
    ],
    ids=["another address", "the other family", "NODATA", "NXDOMAIN"],
)
def test_a_name_that_does_not_lead_back_fails(server: DnsServer, records: dict[str, list[str]]) -> None:
    server.records = {FOUR: {"PTR": ["mail.example.org"]}}
    if records:
        server.records["mail.example.org"] = records
    finding = judge(server)
    assert (finding.result, finding.reason) == ("fail", "mail.example.org does not lead back to 192.31.196.10")
    assert finding.facts == (("ptr", "mail.example.org"),)


def test_of_many_names_ten_are_tried(server: DnsServer) -> None:  # RFC 8601 7.4
    names = [f"n{n}.example.org" for n in range(12)]
    server.records = {FOUR: {"PTR": names}}
    finding = judge(server)
    assert finding.result == "fail"
    assert finding.reason.endswith(" and 9 more do not lead back to 192.31.196.10")
    tried = [value for name, value in finding.facts if name == "ptr"]
    assert len(tried) == len(set(tried)) == MOST_NAMES == 10
    assert sorted(name for name, rdtype in server.queries if rdtype == "A") == sorted(tried)
    assert set(tried) <= set(names)


@pytest.mark.parametrize("records", [{}, {FOUR: {"TXT": ["none"]}}], ids=["NXDOMAIN", "NODATA"])
def test_an_address_without_a_name_is_a_permerror(server: DnsServer, records: dict[str, dict[str, list[str]]]) -> None:
    server.records.update(records)
    finding = judge(server)
    assert (finding.result, finding.reason) == ("permerror", "no PTR record for 192.31.196.10")


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.SILENT, Fault.GARBAGE])
def test_an_unanswered_ptr_is_a_temperror(server: DnsServer, fault: Fault) -> None:
    server.faults[FOUR] = fault
    finding = judge(server)
    assert finding.result == "temperror"
    assert finding.reason.startswith("PTR record of 192.31.196.10: ")
    assert server.address not in finding.reason
    assert finding.fact("aside") == server.address


def test_a_loop_of_cnames_is_a_temperror(server: DnsServer) -> None:
    server.records = {FOUR: {"CNAME": ["x.example"]}, "x.example": {"CNAME": [FOUR]}}
    assert judge(server).result == "temperror"


def test_an_unanswered_name_is_a_temperror_unless_another_leads_back(server: DnsServer) -> None:
    server.records = {FOUR: {"PTR": ["a.example.org", "b.example.org"]}}
    server.faults["a.example.org"] = Fault.SERVFAIL
    finding = judge(server)
    assert (finding.result, finding.reason) == ("temperror", "a.example.org: SERVFAIL")
    names = [("ptr", "a.example.org"), ("ptr", "b.example.org")]
    assert sorted(finding.facts) == [("aside", server.address), *names]
    server.records["b.example.org"] = {"A": ["192.31.196.10"]}
    assert judge(server).result == "pass"


def test_a_strangers_name_is_printable_and_short(server: DnsServer) -> None:
    name = ".".join([r"\010evil\027\255" * 5] * 6) + ".example"
    server.records = {FOUR: {"PTR": [name]}}
    finding = judge(server)
    assert finding.result == "fail"
    (fact,) = finding.facts
    for text in (finding.reason, fact[1]):
        assert text.isascii()
        assert text.isprintable()
    assert len(fact[1]) == 255
    assert finding.reason == f"{fact[1]} does not lead back to 192.31.196.10"


def test_by_default_whatever_is_wrong_is_greylisted() -> None:
    settings = Settings()
    assert settings.enabled
    assert settings.actions == {
        "fail": Action.GREYLIST,
        "permerror": Action.GREYLIST,
        "temperror": Action.GREYLIST,
    }
    assert settings.ipv6_actions is None
