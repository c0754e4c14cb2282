"""helo: what can be said of a name without DNS (RFC 5321 4.1.2, 4.1.3), and whether it leads to the client."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.checks.helo_name import Settings, forward, local
from milter64.dns.lookup import Lookup, asked_alone
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings as DnsSettings
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session
from rig.dnsserver import DnsServer, Fault

TRANSLATOR = Translator([Prefix("64:ff9b::/96")])
OWN = frozenset({"mx.example.net", "localhost", "[192.0.2.25]"})
LONGEST = f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 57}.org"


def envelope(helo: str | None, wire: str = "64:ff9b::c01f:c40a", mta: str = "mail.example.net") -> Envelope:
    session = Session(token="token", client=TRANSLATOR.client(wire), port=0, helo=helo, mta=mta)
    return Envelope(session=session, sender="a@example.org", login="")


def finding(helo: str | None) -> Finding:
    found = local(envelope(helo), OWN)
    assert found is not None
    assert found.key == ("helo", "smtp.helo")
    return found


@pytest.mark.parametrize(
    "helo",
    [
        *("mail.example.org", "MAIL.Example.ORG", "a.b", "1.example", "x.1a"),
        *("xn--bcher-kva.example", "a-b.c--d.org", "my_pc.lan", LONGEST),
    ],
)
def test_a_good_name_is_for_dns_to_judge(helo: str) -> None:
    assert local(envelope(helo), OWN) is None


@pytest.mark.parametrize(
    ("helo", "reason"),
    [
        (None, "no HELO or EHLO was given"),
        ("", "no HELO or EHLO was given"),
        ("192.31.196.10", "192.31.196.10 is an address, and not a name"),
        ("2001:db8::1", "2001:db8::1 is an address, and not a name"),
        ("mailserver", "mailserver is not a fully qualified name"),
        ("1.2.3.400", "1.2.3.400 is not a valid domain name"),
        ("-a.example", "-a.example is not a valid domain name"),
        ("a-.example", "a-.example is not a valid domain name"),
        ("a..example", "a..example is not a valid domain name"),
        (".", ". is not a valid domain name"),
        ("mail.example.org.", "mail.example.org. is not a valid domain name"),
        ("bücher.example", "b?cher.example is not a valid domain name"),
        ("mail.example.org\n", "mail.example.org is not a valid domain name"),
        ("a b.example", "a b.example is not a valid domain name"),
        (f"{'a' * 64}.org", f"{'a' * 64}.org is not a valid domain name"),
        (f"{LONGEST}x", f"{LONGEST}x is not a valid domain name"),
        ("[192.31.196]", "[192.31.196] is not a valid address literal"),
        ("[192.31.196.256]", "[192.31.196.256] is not a valid address literal"),
        ("[192.31.196.10", "[192.31.196.10 is not a valid address literal"),
        ("[2001:db8::1]", "[2001:db8::1] is not a valid address literal"),
        ("[IPv6:2001:db8::1::]", "[IPv6:2001:db8::1::] is not a valid address literal"),
        ("[IPv6:192.31.196.10]", "[IPv6:192.31.196.10] is not a valid address literal"),
        ("[IPv6:fe80::1%eth0]", "[IPv6:fe80::1%eth0] is not a valid address literal"),
        ("[]", "[] is not a valid address literal"),
    ],
)
def test_a_malformed_name_is_told_apart(helo: str | None, reason: str) -> None:
    found = finding(helo)
    assert (found.result, found.reason) == ("malformed", reason)


@pytest.mark.parametrize("helo", ["[192.31.196.10]", "[IPv6:2001:db8::1]", "[ipv6:::1]", "[IPv6:::ffff:192.31.196.10]"])
def test_an_address_literal_is_told_apart(helo: str) -> None:
    found = finding(helo)
    assert (found.result, found.reason) == ("literal", f"{helo} is an address literal")


@pytest.mark.parametrize("helo", ["mx.example.net", "MX.example.NET.", "mail.example.net", "localhost", "[192.0.2.25]"])
def test_the_servers_own_name_is_told_apart(helo: str) -> None:
    found = finding(helo)
    assert (found.result, found.reason) == ("own-name", f"{helo} is this server's own name")


def test_the_servers_own_name_is_told_apart_where_it_is_internationalised() -> None:
    for own in ("bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"):
        found = local(envelope("XN--bcher-kva.example", mta=own), frozenset())
        assert found is not None
        assert found.result == "own-name"


def test_a_server_without_a_name_owns_none() -> None:
    for helo in (".", "mail.example.net"):
        found = local(envelope(helo, mta=""), frozenset())
        assert found is None or found.result == "malformed"


@given(st.text(max_size=300))
def test_no_name_whatever_raises_anything(helo: str) -> None:
    found = local(envelope(helo), OWN)
    assert found is None or (found.reason.isascii() and found.reason.isprintable())


@pytest.fixture
def server() -> Iterator[DnsServer]:
    records = {
        "four.example.org": {"A": ["192.0.2.1", "192.31.196.10"], "AAAA": ["64:ff9b::c01f:c40b"]},
        "six.example.org": {"AAAA": ["2001:DB8:0::1"]},
    }
    with DnsServer(records) as running:
        yield running


def judge(server: DnsServer, helo: str, wire: str) -> Finding:
    settings = DnsSettings(nameservers=(server.address,), timeout=0.2)
    lookup = Lookup(time.monotonic() + 5)
    found = asked_alone(forward(envelope(helo, wire), lookup), Resolver(settings, TRANSLATOR))
    assert found.key == ("helo", "smtp.helo")
    return found


@pytest.mark.parametrize(
    ("helo", "wire", "result", "reason"),
    [
        ("four.example.org", "64:ff9b::c01f:c40a", "pass", "four.example.org leads to 192.31.196.10"),
        ("FOUR.example.org", "192.31.196.10", "pass", "FOUR.example.org leads to 192.31.196.10"),
        ("six.example.org", "2001:db8::1", "pass", "six.example.org leads to 2001:db8::1"),
        ("four.example.org", "64:ff9b::c01f:c40b", "fail", "four.example.org does not lead to 192.31.196.11"),
        ("six.example.org", "192.31.196.10", "fail", "six.example.org does not lead to 192.31.196.10"),
        ("none.example.org", "2001:db8::1", "fail", "none.example.org does not lead to 2001:db8::1"),
    ],
)
def test_a_name_leads_to_the_decoded_address_or_not(
    server: DnsServer, helo: str, wire: str, result: str, reason: str
) -> None:
    found = judge(server, helo, wire)
    assert (found.result, found.reason) == (result, reason)


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.SILENT])
def test_an_unanswered_name_is_a_temperror(server: DnsServer, fault: Fault) -> None:
    server.faults["four.example.org"] = fault
    found = judge(server, "four.example.org", "192.31.196.10")
    assert found.result == "temperror"
    assert found.reason.startswith("four.example.org: ")
    assert server.address not in found.reason
    assert found.fact("aside") == server.address


def test_by_default_nothing_is_done_about_it() -> None:
    assert Settings().actions == {}
