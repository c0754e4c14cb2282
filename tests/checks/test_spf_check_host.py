"""check_host() by the sections of RFC 7208: records, terms and macros."""

from math import inf
from typing import Any

import pytest

from milter64.checks.spf import mailfrom
from milter64.checks.spf_check_host import CheckHost
from milter64.dns.lookup import Lookup
from rig.envelopes import envelope
from rig.records import Records, zone

IPV4, IPV6 = "192.0.2.3", "2001:db8::cb01"


def case(name: str, terms: str, result: str, *others: str, **asked: str) -> Any:  # noqa: ANN401  pytest's
    """The record of the domain d.t, other records, and what a check of joe@d.t comes to."""
    return pytest.param(f"d.t TXT v=spf1 {terms}", others, asked, result, id=name)


@pytest.mark.parametrize(
    ("record", "others", "asked", "result"),
    [
        case("4.3 no such domain", "-all", "none", sender="joe@e.t"),
        case("4.3 no local part", "exists:%{l}.t -all", "pass", "postmaster.t A 127.0.0.2", sender="@d.t"),
        case("4.3 a quoted @", "exists:%{l1r-}.t -all", "pass", '"a@b.t A 127.0.0.2', sender='"a@b-"@d.t'),
        case("4.3 a final dot", "-all", "fail", sender="joe@d.t."),
        case("4.4 no answer", "-all", "temperror", failing="d.t"),
        case("4.4 a CNAME is followed", "-all", "fail", "c.t CNAME d.t", sender="joe@c.t"),
        case("4.4 a CNAME loop", "-all", "temperror", "c.t CNAME b.t", "b.t CNAME c.t", sender="joe@c.t"),
        case("4.5 no SPF record", "-all", "none", "e.t TXT hello", sender="joe@e.t"),
        case("4.5 another version", "-all", "none", "e.t TXT v=spf10 -all", sender="joe@e.t"),
        case("4.5 an empty record", "-all", "neutral", "e.t TXT v=spf1", sender="joe@e.t"),
        case("4.5 any case", "-all", "fail", "e.t TXT V=sPf1 -ALL", sender="joe@e.t"),
        case("4.5 two records", "-all", "permerror", "d.t TXT V=SPF1 +all"),
        case("4.5 two that are alike", "-all", "permerror", "d.t TXT v=spf1 -all"),
        case("4.5 another text", "-all", "fail", "d.t TXT v=spf10 +all"),
        case("4.6.1 spaces", "  ip4:192.0.2.3   -all ", "pass"),
        case("4.6.1 a tab is no space", "ip4:192.0.2.3\tall", "permerror"),
        case("4.6.1 a control character", "x=\x7f all", "permerror"),
        case("4.6.2 + is implied", "all", "pass"),
        case("4.6.2 +", "+all", "pass"),
        case("4.6.2 -", "-all", "fail"),
        case("4.6.2 ~", "~all", "softfail"),
        case("4.6.2 ?", "?all", "neutral"),
        case("4.6.2 the first match counts", "~ip4:192.0.2.3 -ip4:192.0.2.3 all", "softfail"),
        case("4.6.2 what is not reached is not expanded", "-all exists:%{p}.t", "fail"),
        case("4.7 nothing matches", "ip4:192.0.2.4", "neutral"),
        case("4.8 an empty label matches nothing", "a:a..t exists:b..t mx:c..t ptr:..t -all", "fail"),
        case("4.8 nor does a long one", f"a:{'a' * 64}.t -all", "fail"),
        case("7.3 octets that are no text", "exists:%{L}.t -all", "fail", sender="\udcff@d.t"),
        case("4.8 a final dot", "a:a.t. -all", "pass", "a.t A 192.0.2.3"),
        case("4.8 <domain> is text", "-all", "pass", "%{h}.t TXT v=spf1 a", "%{h}.t A 192.0.2.3", sender="j@%{h}.t"),
        case("RFC 8616 4 a local part beyond ASCII", "include:%{l}.t -all", "fail", sender="jösé@d.t"),
        case("5.1 what follows all is ignored", "-all a:a.t redirect=b.t", "fail", failing="a.t, b.t"),
        case("5.1 redirect before all, too", "redirect=b.t ?all", "neutral", "b.t TXT v=spf1 -all"),
        case("5.2 include of pass", "?include:b.t -all", "neutral", "b.t TXT v=spf1 +all"),
        case("5.2 include of fail", "include:b.t ~all", "softfail", "b.t TXT v=spf1 -all"),
        case("5.2 include of softfail", "include:b.t -all", "fail", "b.t TXT v=spf1 ~all"),
        case("5.2 include of neutral", "include:b.t -all", "fail", "b.t TXT v=spf1 ?all"),
        case("5.2 include of permerror", "include:b.t -all", "permerror", "b.t TXT v=spf1 bad"),
        case("5.2 include of temperror", "include:b.t -all", "temperror", failing="b.t"),
        case("5.2 include of none", "include:b.t -all", "permerror", "b.t TXT hello"),
        case("5.2 a malformed name is none", "include:b..t -all", "permerror"),
        case("5.2 a single label is none", "include:%{l} -all", "permerror", "joe TXT v=spf1 +all"),
        case("5.2 <domain> is restored", "include:b.t a -all", "pass", "b.t TXT v=spf1 -all", "d.t A 192.0.2.3"),
        case("5.2 <domain> is the included", "include:b.t -all", "pass", "b.t TXT v=spf1 a", "b.t A 192.0.2.3"),
        case("5.2 of itself, after a match", "ip4:192.0.2.3 include:d.t include:%{d}", "pass"),
        case("5.2 of itself, for ever", "include:d.t -all", "permerror"),
        case("5.3 a", "a -all", "pass", "d.t A 192.0.2.1", "d.t A 192.0.2.3"),
        case("5.3 a of another", "a:a.t -all", "pass", "a.t A 192.0.2.3"),
        case("5.3 through a CNAME", "a:c.t -all", "pass", "c.t CNAME a.t", "a.t A 192.0.2.3"),
        case("5.3 a CNAME loop", "a:c.t all", "temperror", "c.t CNAME c.t"),
        case("5.3 no answer", "a:a.t all", "temperror", failing="a.t"),
        case("5.3 AAAA for IPv6", "a:a.t -all", "pass", "a.t AAAA 2001:DB8::CB01", client=IPV6),
        case("5.3 and A for IPv4 alone", "a:a.t/0 -all", "fail", "a.t A 192.0.2.3", client=IPV6),
        case("5.3 dual CIDR, IPv4", "a:a.t/24//128 -all", "pass", "a.t A 192.0.2.77"),
        case("5.3 dual CIDR, IPv6", "a:a.t/32//64 -all", "pass", "a.t AAAA 2001:db8::77", client=IPV6),
        case("5.3 /n is for IPv4", "a:a.t/0 -all", "fail", "a.t AAAA 2001:db8::77", client=IPV6),
        case("5.3 //n is for IPv6", "a:a.t//0 -all", "fail", "a.t A 192.0.2.77"),
        case("5.3 /0 takes an address", "a:a.t/0 -all", "fail", "a.t TXT hello"),
        case("5.3 a slash in a name", "a:a/b.t/24 -all", "pass", "a/b.t A 192.0.2.77"),
        case("5.4 mx", "mx -all", "pass", "d.t MX 10 m.t", "d.t MX 5 n.t", "m.t A 192.0.2.3"),
        case("5.4 dual CIDR", "mx:m.t//64 -all", "pass", "m.t MX 10 n.t", "n.t AAAA 2001:db8::77", client=IPV6),
        case("5.4 no implicit MX", "mx -all", "fail", "d.t A 192.0.2.3"),
        case("5.4 a null MX", "mx -all", "fail", "d.t MX 0 ."),
        case("5.4 no answer", "mx all", "temperror", failing="MX d.t"),
        case("5.4 or for one", "mx all", "temperror", "d.t MX 1 b.t", "d.t MX 2 a.t", "a.t A 192.0.2.3", failing="b.t"),
        case("5.4 a later one", "mx -all", "pass", "d.t MX 2 b.t", "d.t MX 1 a.t", "a.t A 192.0.2.3", failing="b.t"),
        case("5.6 ip4", "ip4:192.0.2.0/29 -all", "pass"),
        case("5.6 beyond it", "ip4:192.0.2.4/30 -all", "fail"),
        case("5.6 /0", "ip4:10.0.0.0/0 -all", "pass"),
        case("5.6 ip4 is not for IPv6", "ip4:0.0.0.0/0 -all", "fail", client=IPV6),
        case("5.6 ip6", "ip6:2001:DB8::/64 -all", "pass", client=IPV6),
        case("5.6 ip6 is not for IPv4", "ip6:::/0 ip6:::ffff:192.0.2.3 -all", "fail"),
        case("5.7 any A record will do", "exists:a.t -all", "pass", "a.t A 127.0.0.2"),
        case("5.7 for IPv6 too", "exists:a.t -all", "pass", "a.t A 127.0.0.2", client=IPV6),
        case("5.7 AAAA will not", "exists:a.t -all", "fail", "a.t AAAA 2001:db8::cb01", client=IPV6),
        case("6 unknown modifiers", "x=1 ip4:192.0.2.3 x=2 x=%{t} -all y=%% z-._9=", "pass"),
        case("6.1 redirect", "redirect=b.t", "softfail", "b.t TXT v=spf1 ~all"),
        case("6.1 in capitals", "REDIRECT=b.t", "softfail", "b.t TXT v=spf1 ~all"),
        case("6.1 after all mechanisms", "redirect=b.t ip4:192.0.2.3", "pass", "b.t TXT v=spf1 ~all"),
        case("6.1 <domain> is the new", "redirect=b.t", "pass", "b.t TXT v=spf1 a -all", "b.t A 192.0.2.3"),
        case("6.1 in an include", "include:b.t -all", "pass", "b.t TXT v=spf1 redirect=c.t", "c.t TXT v=spf1 +all"),
        case("6.1 no record", "redirect=b.t", "permerror", "b.t TXT hello"),
        case("6.1 no such domain", "redirect=b.t", "permerror"),
        case("6.1 a malformed name", "redirect=b..t", "permerror"),
        case("6.1 no answer", "redirect=b.t", "temperror", failing="b.t"),
        case("7.1 %% within a name", "exists:a%%%%b.t", "pass", "a%%b.t A 127.0.0.2"),
        case("7.1 %% at its end", "exists:a.%% ip4:192.0.2.3 redirect=%%", "pass"),
    ],
)  # fmt: skip
def test_check_host_answers_as_the_rfc_says(
    record: str, others: tuple[str, ...], asked: dict[str, str], result: str
) -> None:
    records = Records(zone("\n".join((record, *others))), asked.get("failing", "").split(", "))
    finding = records.find(mailfrom, envelope(asked.get("client", IPV4), "mx.t", asked.get("sender", "joe@d.t")))
    assert finding.result == result, finding.reason


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        pytest.param([b"v=spf1 -all "], "fail", id="4.5 a space at the end"),
        pytest.param([b"v=spf1\n-all"], "none", id="4.5 a newline doesn't end the version"),
        pytest.param([b"v=spf1\n"], "none", id="4.5 nor the record"),
        pytest.param([b"\x96\0", b"v=spf1 -all"], "fail", id="4.5 other texts are of no concern"),
        pytest.param([b"v=spf1 a:\xef\xbb\xbfb.t -all"], "permerror", id="3.1 a record is ASCII"),
        pytest.param([b"v=spf1 ip4:192.0.2.3\n"], "permerror", id="4.6.1 a newline is no space"),
    ],
)
def test_records_are_selected_by_their_bytes(texts: list[bytes], result: str) -> None:
    assert Records({"d.t": {"TXT": texts}}).find(mailfrom, envelope(IPV4, "mx.t", "joe@d.t")).result == result


@pytest.mark.parametrize("sender", [r"a\046b@d.t", "a..b@d.t", f"{'a' * 64}@d.t", "é@d.t", "a\nb@d.t"])
def test_a_malformed_target_is_not_asked_for_4_8(sender: str) -> None:
    records = Records(zone("d.t TXT v=spf1 a:%{l}.t -all"))
    assert records.find(mailfrom, envelope(IPV4, "mx.t", sender)).result == "fail"
    assert records.questions == ["TXT d.t"]


SYNTAX_ERRORS = """
    bad -bad all: all:x all/8 -all, ip4 ip4: ip4:192.0.2 ip4:192.0.2.03 ip4:192.0.2.256 ip4:192.0.2.3/33
    ip4:192.0.2.3/032 ip4:192.0.2.3//32 ip6 ip6:192.0.2.3 ip6:2001:db8::/129 ip6:1::2::3 ip6:::1%eth0 192.0.2.3
    a: a:/24 a/33 a/24/64 a//129 a/024 a/ a:b.t/ a:foo a:foo-bar a:192.0.2.3 a:b.t- a:b.-t a:b.t:25 mx: mx/33
    ptr: ptr/24 ptr:b.t/24 exists exists: exists:b.t/24 include include: include:b.t/24 include/24
    redirect:b.t redirect= redirect=b.123 -redirect=b.t exp= exp=a x/y=z =z 1=z
    a:%{d a:%{d}} a:%{x}.t a:%{} a:%{ir!}.t a:%{d0} a:%{d00}.t a:%{dd}.t a:%{2d}.t a:%{d1000}.t a:%(d).t a:%d.t
    a:%%%d.t a:% a:%{c}.t a:%{r}.t a:%{t}.t exp=%{t}.t redirect=%{c} x=%{d x=%z x=%{x}
    """


@pytest.mark.parametrize("term", SYNTAX_ERRORS.split())
def test_a_syntax_error_anywhere_is_a_permerror_4_6(term: str) -> None:
    records = Records(zone(f"d.t TXT v=spf1 ip4:{IPV4} {term}"))
    assert records.find(mailfrom, envelope(IPV4, "mx.t", "joe@d.t")).result == "permerror"
    assert records.questions == ["TXT d.t"]


@pytest.mark.parametrize("term", ["a/{}", "ip4:192.0.2.3/{}", "a:%{{d{}}}.t", "a//{}"])
def test_thousands_of_digits_are_a_permerror(term: str) -> None:
    records = Records(zone(f"d.t TXT v=spf1 all {term.format('1' * 5000)}"))
    assert records.find(mailfrom, envelope(IPV4, "mx.t", "joe@d.t")).result == "permerror"


@pytest.mark.parametrize("twice", ["redirect=b.t redirect=b.t", "exp=b.t EXP=b.t"])
def test_a_known_modifier_given_twice_is_a_permerror_6(twice: str) -> None:
    records = Records(zone(f"d.t TXT v=spf1 all {twice}"))
    assert records.find(mailfrom, envelope(IPV4, "mx.t", "joe@d.t")).result == "permerror"


APPENDIX_A = """
    example.com MX 10 mail-a.example.com
    example.com MX 20 mail-b.example.com
    example.com A 192.0.2.10
    example.com A 192.0.2.11
    amy.example.com A 192.0.2.65
    bob.example.com A 192.0.2.66
    mail-a.example.com A 192.0.2.129
    mail-b.example.com A 192.0.2.130
    www.example.com CNAME example.com.
    example.org MX 10 mail-c.example.org
    mail-c.example.org A 192.0.2.140
    10.2.0.192.in-addr.arpa PTR example.com.
    11.2.0.192.in-addr.arpa PTR example.com.
    65.2.0.192.in-addr.arpa PTR amy.example.com.
    66.2.0.192.in-addr.arpa PTR bob.example.com.
    129.2.0.192.in-addr.arpa PTR mail-a.example.com.
    130.2.0.192.in-addr.arpa PTR mail-b.example.com.
    140.2.0.192.in-addr.arpa PTR mail-c.example.org.
    4.0.0.10.in-addr.arpa PTR bob.example.com.
    mary.mobile-users._spf.example.com A 127.0.0.2
    fred.mobile-users._spf.example.com A 127.0.0.2
    15.15.168.192.joel.remote-users._spf.example.com A 127.0.0.2
    16.15.168.192.joel.remote-users._spf.example.com A 127.0.0.2
    mobile-users._spf.example.com TXT v=spf1 exists:%{l1r+}.%{d}
    remote-users._spf.example.com TXT v=spf1 exists:%{ir}.%{l1r+}.%{d}
    ip4._spf.example.com TXT v=spf1 -ip4:192.0.2.0/24 +all
    ptr._spf.example.com TXT v=spf1 -ptr:%{o} +all
    example.net TXT v=spf1 -all
    example.org TXT v=spf1 include:example.com include:example.net -all
    la.example.org TXT v=spf1 redirect=example.org
    """
"""ptr._spf.example.com says `-ptr` in the RFC, which nobody could pass: it means names below that very name."""

USERS = "mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all"
BOTH = "-include:ip4._spf.%{d} -include:ptr._spf.%{d} +all"


@pytest.mark.parametrize(
    ("section", "terms", "sender", "passing", "failing"),
    [
        ("A.1", "+all", "joe@example.com", "10.0.0.4 2001:db8::1", ""),
        ("A.1", "a -all", "joe@example.com", "192.0.2.10 192.0.2.11", "192.0.2.65"),
        ("A.1", "a:example.org -all", "joe@example.com", "", "192.0.2.10 192.0.2.140"),
        ("A.1", "mx -all", "joe@example.com", "192.0.2.129 192.0.2.130", "192.0.2.140"),
        ("A.1", "mx:example.org -all", "joe@example.com", "192.0.2.140", "192.0.2.129"),
        ("A.1", "mx mx:example.org -all", "joe@example.com", "192.0.2.129 192.0.2.130 192.0.2.140", "192.0.2.10"),
        ("A.1", "mx/30 mx:example.org/30 -all", "joe@example.com", "192.0.2.131 192.0.2.143", "192.0.2.132"),
        ("A.1", "ptr -all", "joe@example.com", "192.0.2.65", "192.0.2.140 10.0.0.4"),
        ("A.1", "ip4:192.0.2.128/28 -all", "joe@example.com", "192.0.2.129", "192.0.2.65"),
        ("A.2", "mx -all", "joe@example.org", "192.0.2.129", "192.0.2.140"),
        ("A.2", "mx -all", "joe@la.example.org", "192.0.2.129", "192.0.2.140"),
        ("A.3", USERS, "mary@example.com", "203.0.113.9", ""),
        ("A.3", USERS, "joel+list@example.com", "192.168.15.15", "192.168.15.17"),
        ("A.3", USERS, "joe@example.com", "192.0.2.129", "192.168.15.15"),
        ("A.4", BOTH, "joe@example.com", "192.0.2.65", "192.0.2.140 10.0.0.4"),
    ],
)
def test_the_examples_of_appendix_a_hold(section: str, terms: str, sender: str, passing: str, failing: str) -> None:
    records = Records(zone(f"{APPENDIX_A}\nexample.com TXT v=spf1 {terms}"))
    results = {
        client: records.find(mailfrom, envelope(client, "mx.t", sender)).result
        for client in f"{passing} {failing}".split()
    }
    assert results == dict.fromkeys(passing.split(), "pass") | dict.fromkeys(failing.split(), "fail"), section


@pytest.mark.parametrize(
    ("client", "macro", "expansion"),
    [
        (IPV4, "%{s}", "strong-bad@email.example.com"),
        (IPV4, "%{o}", "email.example.com"),
        (IPV4, "%{d}", "email.example.com"),
        (IPV4, "%{d4}", "email.example.com"),
        (IPV4, "%{d3}", "email.example.com"),
        (IPV4, "%{d2}", "example.com"),
        (IPV4, "%{d1}", "com"),
        (IPV4, "%{dr}", "com.example.email"),
        (IPV4, "%{d2r}", "example.email"),
        (IPV4, "%{l}", "strong-bad"),
        (IPV4, "%{l-}", "strong.bad"),
        (IPV4, "%{lr}", "strong-bad"),
        (IPV4, "%{lr-}", "bad.strong"),
        (IPV4, "%{l1r-}", "strong"),
        (IPV4, "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        (IPV4, "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        (IPV4, "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        (IPV4, "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        (IPV4, "%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        (IPV6, "%{ir}.%{v}._spf.%{d2}", f"1.0.b.c{'.0' * 20}.8.b.d.0.1.0.0.2.ip6._spf.example.com"),
        # Not in the table of 7.4, but in the words of 7.3:
        (IPV4, "%{LR-}", "bad.strong"),
        (IPV4, "%{D999}", "email.example.com"),
        (IPV4, "%{h}", "mx.ex-ample.org"),
        (IPV4, "%{hr-}", "ample.org.mx.ex"),
        (IPV4, "%{h2.-}", "ample.org"),
        (IPV4, "%{S}", "strong-bad%40email.example.com"),
        (IPV4, "%{p}.t", "unknown.t"),
        (IPV4, "%%a%_b%-c.t.", "%a b%20c.t"),
        (IPV4, f"{253 * 'a'}.{'b.' * 126}t", f"{'b.' * 126}t"),
        (IPV4, f"{'b.' * 126}tt", f"{'b.' * 125}tt"),
        (IPV4, f"a.{'b.' * 126}tt", f"{'b.' * 125}tt"),
        (IPV4, f"a.{'bc.' * 84}t.", f"{'bc.' * 84}t"),
    ],
)  # fmt: skip
def test_macros_expand_as_in_7_4(client: str, macro: str, expansion: str) -> None:
    session = envelope(client, "mx.ex-ample.org", "").session
    check = CheckHost(session, "strong-bad", "email.example.com", Lookup(inf))
    assert check.name(macro) == expansion
