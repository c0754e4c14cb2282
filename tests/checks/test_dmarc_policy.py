"""Whether a domain publishes a DMARC policy, found as RFC 7489 6.6.3 has it, by a real resolver."""

import time
from collections.abc import Iterator

import pytest

from milter64.address.translator import Translator
from milter64.checks.dmarc_policy import dmarc_policy
from milter64.dns.lookup import Lookup, asked_alone
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session
from rig.dnsserver import DnsServer, Fault, Value

P = "v=DMARC1; p=reject"
OTHER = "v=DMARC1; p=reject; fo=1"
NAME = "_dmarc.a.example.co.uk"
ORGANISATION = "_dmarc.example.co.uk"


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


def judge(server: DnsServer, sender: str = "joe@a.example.co.uk", helo: str = "mail.helo.example") -> Finding:
    session = Session(token="token", client=Translator().client("192.31.196.10"), port=0, helo=helo, mta="mx.example")
    resolver = Resolver(Settings(nameservers=(server.address,), timeout=0.2), Translator())
    asking = dmarc_policy(Envelope(session=session, sender=sender, login=""), Lookup(time.monotonic() + 5))
    found = asked_alone(asking, resolver)
    assert found.key == ("dmarc", "smtp.mailfrom")
    return found


def publish(server: DnsServer, **records: list[Value]) -> None:
    """Publish TXT records of the names that begin with _dmarc: of `a`, a.example.co.uk, and others of the like."""
    names = {"a": NAME, "organisation": ORGANISATION, "suffix": "_dmarc.co.uk", "between": "_dmarc.b.example.co.uk"}
    server.records = {names.get(name, name): {"TXT": texts} for name, texts in records.items()}


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        # 6.6.3 2: what doesn't begin with this version of DMARC is no DMARC record
        ([P], "policy"),
        (["v=spf1 -all", P, "google-site-verification=1"], "policy"),
        (["v=spf1 -all"], "none"),
        (["v=DMARC2; p=reject"], "none"),
        (["v=DMARC12; p=reject"], "none"),
        (["v=dmarc1; p=reject"], "none"),
        (["V=DMARC1; p=reject"], "none"),
        (["v=DMARC1 p=reject"], "none"),
        (["p=reject; v=DMARC1"], "none"),
        ([" v=DMARC1; p=reject"], "none"),
        ([""], "none"),
        ([b"\xff\xfe"], "none"),
        # 6.4: blanks, order, and unknown tags
        (["v = DMARC1 ; p = reject ;"], "policy"),
        (["v=DMARC1;p=reject"], "policy"),
        (["v=DMARC1; rua=mailto:x@a.example; future=1; p=Quarantine"], "policy"),
        ([("v=DMA", "RC1; p=", "reject")], "policy"),
        (["v=DMARC1; p=none"], "policy"),
        # 6.6.3 5: several are none
        ([P, OTHER], "none"),
        # 6.6.3 6: without a valid p, or with an sp that isn't, it takes somebody to report to
        (["v=DMARC1"], "none"),
        (["v=DMARC1;"], "none"),
        (["v=DMARC1; p="], "none"),
        (["v=DMARC1; p=refuse"], "none"),
        (["v=DMARC1; p=rejected"], "none"),
        (["v=DMARC1; P=reject"], "none"),
        (["v=DMARC1; sp=reject"], "none"),
        (["v=DMARC1; p=reject; sp=refuse"], "none"),
        (["v=DMARC1; p=reject; sp=none"], "policy"),
        (["v=DMARC1; rua=mailto:x@a.example"], "policy"),
        (["v=DMARC1; p=refuse; rua=mailto:x@a.example!10m"], "policy"),
        (["v=DMARC1; p=reject; sp=refuse; rua=nobody, mailto:x@a.example"], "policy"),
        (["v=DMARC1; rua=nobody"], "none"),
        (["v=DMARC1; rua="], "none"),
        (["v=DMARC1; ruf=mailto:x@a.example"], "none"),
    ],
)
def test_a_policy_is_what_the_rfc_calls_one_6_6_3(server: DnsServer, texts: list[Value], result: str) -> None:
    publish(server, a=texts)
    assert judge(server).result == result


@pytest.mark.parametrize(
    ("a", "organisation", "result", "reason"),
    [
        ([], [P], "policy", "example.co.uk publishes p=reject"),
        (["v=spf1 -all"], [P], "policy", "example.co.uk publishes p=reject"),
        ([], ["v=DMARC1; p=reject; sp=none"], "policy", "example.co.uk publishes sp=none"),
        (["v=DMARC1; p=none; sp=reject"], [P], "policy", "a.example.co.uk publishes p=none"),
        ([P, OTHER], [P], "none", "a.example.co.uk publishes more than one DMARC record"),
        (["v=DMARC1"], [P], "none", "a.example.co.uk publishes a DMARC record without a policy"),
        ([], [P, OTHER], "none", "example.co.uk publishes more than one DMARC record"),
        ([], [], "none", "a.example.co.uk publishes no DMARC policy"),
    ],
)
def test_the_organisations_policy_counts_where_the_domain_has_no_record_6_6_3_3(
    server: DnsServer, a: list[Value], organisation: list[Value], result: str, reason: str
) -> None:
    publish(server, a=a, organisation=organisation)
    found = judge(server)
    assert (found.result, found.reason) == (result, reason)


def test_neither_a_domain_between_nor_a_public_suffix_has_a_say_for_those_below(server: DnsServer) -> None:
    publish(server, between=[P], suffix=["v=DMARC1; p=reject; psd=y"])
    assert judge(server, "joe@a.b.example.co.uk").result == "none"
    assert server.queries == [("_dmarc.a.b.example.co.uk", "TXT"), (ORGANISATION, "TXT")]


def test_an_organisations_own_domain_and_a_public_suffix_take_one_question(server: DnsServer) -> None:
    assert judge(server, "joe@Example.co.uk").result == "none"
    assert judge(server, "joe@co.uk").result == "none"
    assert server.queries == [(ORGANISATION, "TXT"), ("_dmarc.co.uk", "TXT")]


def test_the_null_senders_domain_is_that_of_helo(server: DnsServer) -> None:
    server.records = {"_dmarc.helo.example": {"TXT": [P]}}
    assert judge(server, "", "mail.helo.example").reason == "helo.example publishes p=reject"


@pytest.mark.parametrize("sender", ["joe@[192.0.2.1]", "joe@localhost", "joe@a..example", r"joe@a\.b.example", "joe"])
def test_who_has_no_domain_name_has_no_policy_and_nothing_is_asked(server: DnsServer, sender: str) -> None:
    assert judge(server, sender).result == "none"
    assert server.queries == []


def test_a_name_too_long_to_have_a_record_has_that_of_its_organisation(server: DnsServer) -> None:
    publish(server, organisation=[P])
    longest = ".".join(["a" * 59] * 4)
    assert len(f"{longest}.example.co.uk") == 253
    assert judge(server, f"joe@{longest}.example.co.uk").result == "policy"


def test_an_alias_leads_to_the_policy_and_a_name_in_unicode_is_asked_for_as_dns_knows_it(server: DnsServer) -> None:
    server.records = {
        "_dmarc.xn--bcher-kva.example": {"CNAME": ["policies.example.net"]},
        "policies.example.net": {"TXT": [P]},
    }
    assert judge(server, "joe@bücher.example").reason == "xn--bcher-kva.example publishes p=reject"


@pytest.mark.parametrize("name", [NAME, ORGANISATION])
@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.SILENT, Fault.REFUSED])
def test_what_dns_does_not_say_is_a_temperror_whichever_of_the_two_it_is(
    server: DnsServer, name: str, fault: Fault
) -> None:
    server.faults[name] = fault
    found = judge(server)
    assert (found.result, found.reason.partition(":")[0]) == ("temperror", name)
    assert server.address in (found.fact("aside") or "")


def test_what_the_domain_itself_says_is_no_matter_of_its_organisation(server: DnsServer) -> None:
    publish(server, a=[P])
    server.faults[ORGANISATION] = Fault.SERVFAIL
    assert judge(server).result == "policy"
