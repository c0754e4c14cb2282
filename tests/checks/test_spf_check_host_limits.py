"""check_host() by the sections of RFC 7208: what it may ask for, validated names, and explanations."""

import pytest

from milter64.checks.spf import mailfrom
from milter64.dns.lookup import Lookup
from milter64.mail.finding import Finding
from rig.envelopes import envelope
from rig.records import Records, zone

IPV4, IPV6 = "192.0.2.3", "2001:db8::cb01"
REVERSE = "3.2.0.192.in-addr.arpa"
REVERSE_IPV6 = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
EXISTING = "\n".join(f"e{n}.t A 127.0.0.2" for n in range(12))


def judge(records: Records, client: str = IPV4) -> Finding:
    return records.find(mailfrom, envelope(client, "mx.t", "joe@d.t"))


def numbered(term: str, count: int) -> str:
    return " ".join(term.format(n) for n in range(count))


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        pytest.param(f"{numbered('-a:e{}.t', 10)} all", "pass", id="ten terms"),
        pytest.param(f"{numbered('-a:e{}.t', 11)} all", "permerror", id="eleven terms"),
        pytest.param(f"{numbered('-a:e{}.t', 9)} exists:e9.t a", "pass", id="ten, and one not reached"),
        pytest.param(f"{numbered('-a:e{}.t', 8)} include:one.t -all", "pass", id="ten with an include's"),
        pytest.param(f"{numbered('-a:e{}.t', 9)} include:one.t -all", "permerror", id="eleven with an include's"),
        pytest.param(f"{numbered('-a:e{}.t', 9)} redirect=none.t", "pass", id="redirect is a term"),
        pytest.param(f"{numbered('-a:e{}.t', 10)} redirect=none.t", "permerror", id="so it may be the eleventh"),
        pytest.param(f"redirect=none.t {numbered('-a:e{}.t', 9)} exists:e9.t", "pass", id="but not if not followed"),
        pytest.param(f"{numbered('ip4:10.0.0.{}', 20)} all", "pass", id="ip4 is none"),
        pytest.param("redirect=d.t", "permerror", id="a redirect to oneself"),
    ],
)
def test_ten_terms_may_ask_dns_4_6_4(terms: str, result: str) -> None:
    others = "one.t TXT v=spf1 exists:e1.t\nnone.t TXT v=spf1 all"
    assert judge(Records(zone(f"d.t TXT v=spf1 {terms}\n{others}\n{EXISTING}"))).result == result


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        pytest.param("a:v1.t mx:v2.t all", "pass", id="two terms"),
        pytest.param("a:v1.t mx:v2.t exists:v3.t all", "permerror", id="three terms"),
        pytest.param("a:v1.t a:v1.t a:v1.t all", "permerror", id="of one name"),
        pytest.param("a:nodata.t mx:nodata.t exists:nodata.t all", "permerror", id="NODATA is as NXDOMAIN"),
        pytest.param("a:v1.t include:one.t all", "pass", id="one in an include"),
        pytest.param("a:v1.t mx:v2.t include:one.t all", "permerror", id="the third in an include"),
        pytest.param("a:v1.t a:v2.t a:a..t all", "pass", id="a malformed name isn't asked for"),
        pytest.param("mx:hosts.t a:v1.t all", "pass", id="all the hosts of one mx count once"),
        pytest.param("ptr:names.t a:v1.t mx:hosts.t all", "pass", id="the client's own names don't count"),
        pytest.param("exists:%{p}.t a:v1.t mx:hosts.t all", "permerror", id="what the domain makes of them does"),
        pytest.param("a:v1.t a:v2.t -all exp=v3.t", "fail", id="exp is no term"),
    ],
)
def test_two_terms_may_have_void_look_ups_4_6_4(terms: str, result: str) -> None:
    others = f"""
        one.t TXT v=spf1 a:v4.t
        nodata.t TXT hello
        hosts.t MX 1 v5.t
        hosts.t MX 2 v6.t
        hosts.t MX 3 v7.t
        {REVERSE} PTR a.names.t
        {REVERSE} PTR b.names.t
        {REVERSE} PTR c.names.t
        """
    assert judge(Records(zone(f"d.t TXT v=spf1 {terms}\n{others}"))).result == result


def test_a_client_without_a_name_makes_no_permerror_of_a_fail() -> None:
    assert judge(Records(zone("d.t TXT v=spf1 ptr ptr:a.t ptr:b.t -all"))).result == "fail"


def test_macros_of_an_explanation_have_no_void_look_ups_4_6_4() -> None:
    records = Records(zone("d.t TXT v=spf1 a:v1.t a:v2.t -exists:e1.t exp=x.t\nx.t TXT %{p}\ne1.t A 127.0.0.2"))
    assert judge(records).fact("explanation") == "unknown"


@pytest.mark.parametrize(("hosts", "result"), [(10, "pass"), (11, "permerror")])
def test_an_mx_mechanism_has_ten_hosts_4_6_4(hosts: int, result: str) -> None:
    text = "d.t TXT v=spf1 -mx all\n" + "\n".join(f"d.t MX {n} e{n}.t" for n in range(hosts))
    assert judge(Records(zone(f"{text}\n{EXISTING}"))).result == result


@pytest.mark.parametrize(("before", "result"), [(9, "pass"), (10, "fail")])
def test_ten_names_of_a_client_are_looked_at_4_6_4(before: int, result: str) -> None:
    names = "\n".join(f"{REVERSE} PTR e{n}.t" for n in range(before))
    own = f"{REVERSE} PTR own.t\nown.t A {IPV4}"
    assert judge(Records(zone(f"d.t TXT v=spf1 ptr:own.t -all\n{names}\n{own}"))).result == result


BOTH_NAMES = f"{REVERSE} PTR a.d.t\n{REVERSE} PTR b.d.t\nb.d.t A {IPV4}"


@pytest.mark.parametrize(
    ("text", "failing", "client", "result"),
    [
        pytest.param(f"{REVERSE} PTR mx.d.t\nmx.d.t A {IPV4}", "", IPV4, "pass", id="below"),
        pytest.param(f"{REVERSE} PTR D.T.\nd.t A {IPV4}", "", IPV4, "pass", id="the same, in capitals"),
        pytest.param(f"{REVERSE} PTR mx.bad-d.t\nmx.bad-d.t A {IPV4}", "", IPV4, "fail", id="elsewhere"),
        pytest.param(f"{REVERSE} PTR t\nt A {IPV4}", "", IPV4, "fail", id="above"),
        pytest.param(f"{REVERSE} PTR mx.d.t\nmx.d.t A 192.0.2.4", "", IPV4, "fail", id="doesn't lead back"),
        pytest.param(f"{REVERSE_IPV6} PTR mx.d.t\nmx.d.t AAAA {IPV6}", "", IPV6, "pass", id="IPv6"),
        pytest.param(f"{REVERSE} PTR mx.d.t\nmx.d.t A {IPV4}", REVERSE, IPV4, "fail", id="no answer"),
        pytest.param(BOTH_NAMES, "a.d.t", IPV4, "pass", id="none about a name"),
        pytest.param("", "", IPV4, "fail", id="no name"),
    ],
)
def test_ptr_matches_validated_names_5_5(text: str, failing: str, client: str, result: str) -> None:
    assert judge(Records(zone(f"d.t TXT v=spf1 ptr -all\n{text}"), [failing]), client).result == result


def test_names_that_cannot_match_are_not_asked_for() -> None:
    records = Records(zone(f"d.t TXT v=spf1 ptr -all\n{REVERSE} PTR a.example\n{REVERSE} PTR b.example"))
    assert judge(records).result == "fail"
    assert records.questions == ["TXT d.t", f"PTR {REVERSE}"]


@pytest.mark.parametrize("text", ["d.t TXT v=spf1 ptr -all", "d.t TXT v=spf1 exists:%{p}.t -all"])
def test_when_time_is_up_that_is_no_lack_of_names_4_6_4(text: str) -> None:
    records = Records(zone(text), [REVERSE])
    assert records.find(mailfrom, envelope(IPV4, "mx.t", "joe@d.t"), Lookup(0.0)).result == "temperror"


def test_names_that_are_silent_are_asked_for_once_by_an_explanation() -> None:
    names = [f"g{n}.t" for n in range(10)]
    text = "d.t TXT v=spf1 -all exp=%{p}.d.t\nunknown.d.t TXT %{p} says no\n"
    records = Records(zone(text + "\n".join(f"{REVERSE} PTR {name}" for name in names)), names)
    assert judge(records).fact("explanation") == "unknown says no"
    assert len(records.questions) == 3 + len(names)


@pytest.mark.parametrize(
    ("names", "failing", "expansion"),
    [
        pytest.param("", "", "unknown", id="no name"),
        pytest.param("other.t b.d.t d.t", "", "d.t", id="<domain> first"),
        pytest.param("other.t D.T", "", "D.T", id="in any case"),
        pytest.param("other.t B.D.T", "", "B.D.T", id="then one below it"),
        pytest.param("other.t bad-d.t", "", "other.t", id="then any"),
        pytest.param("forged.t other.t", "", "other.t", id="that leads back"),
        pytest.param("other.t", REVERSE, "unknown", id="no answer"),
        pytest.param("b.d.t other.t", "b.d.t", "other.t", id="none for a name"),
    ],
)
def test_the_macro_p_is_a_validated_name_7_3(names: str, failing: str, expansion: str) -> None:
    pointers = "\n".join(f"{REVERSE} PTR {name}" for name in names.split())
    addresses = "\n".join(f"{name} A {IPV4}" for name in "d.t b.d.t bad-d.t other.t".split())  # noqa: SIM905  names
    records = Records(zone(f"d.t TXT v=spf1 exists:%{{p}}.x.t -all\n{pointers}\n{addresses}"), [failing])
    assert judge(records).result == "fail"
    assert records.questions[-1] == f"A {expansion}.x.t"


def test_the_macro_p_is_of_the_domain_whose_record_it_stands_in() -> None:
    records = Records(
        zone(f"""
            d.t TXT v=spf1 include:I.T -all exp=y.t
            i.t TXT v=spf1 exists:%{{p}}.x.t
            y.t TXT from %{{p}}
            {REVERSE} PTR a.d.t
            {REVERSE} PTR a.i.t
            a.d.t A {IPV4}
            a.i.t A {IPV4}""")
    )
    assert judge(records).fact("explanation") == "from a.d.t"
    assert "A a.i.t.x.t" in records.questions


def test_a_term_asks_for_the_macro_p_once_however_often_it_is_spelt() -> None:
    records = Records(zone(f"d.t TXT v=spf1 exists:{'%{p}.' * 9}t -all"))
    judge(records)
    assert records.questions.count(f"PTR {REVERSE}") == 1


@pytest.mark.parametrize(
    ("terms", "text", "explanation"),
    [
        pytest.param("-all exp=x.%{d}", "Ask us.", "Ask us.", id="a text"),
        pytest.param("exp=x.d.t -all", "Ask us.", "Ask us.", id="before the match"),
        pytest.param("-all EXP=x.d.t", "Ask us.", "Ask us.", id="in capitals"),
        pytest.param("-all", "Ask us.", None, id="no exp"),
        pytest.param("~all exp=x.d.t", "Ask us.", None, id="for a fail alone"),
        pytest.param("-all exp=y.d.t", "Ask us.", None, id="no text"),
        pytest.param("-all exp=x..t", "Ask us.", None, id="no name"),
        pytest.param("-all exp=broken.t", "Ask us.", None, id="no answer"),
        pytest.param("-all exp=x.d.t", "Ask us.\nx.d.t TXT Ask them.", None, id="two texts"),
        pytest.param("-all exp=x.d.t", "é", None, id="not ASCII"),
        pytest.param("-all exp=x.d.t", "a\x07b", None, id="a control character"),
        pytest.param("-all exp=x.d.t", "100%", None, id="a syntax error"),
        pytest.param("-all exp=x.d.t", "%{x}", None, id="an unknown macro"),
        pytest.param("-all exp=x.d.t", "%{s} %{l} %{o} %{d} %{p}", "joe@d.t joe d.t d.t unknown", id="macros"),
        pytest.param("-all exp=x.d.t", "%{i} %{v} %{h} 0%%%_%-", f"{IPV4} in-addr mx.t 0% %20", id="more of them"),
        pytest.param("-all exp=x.d.t", "%{c} %{R}", f"{IPV4} mta.example.net", id="those for explanations alone"),
        pytest.param("-all exp=x.d.t", "http://%{d}/?s=%{S}&i=%{I}", f"http://d.t/?s=joe%40d.t&i={IPV4}", id="a URL"),
        pytest.param("include:fail.t -all exp=x.d.t", "of %{d}", "of d.t", id="an include's own is not used"),
        pytest.param("-include:pass.t exp=x.d.t", "of %{d}", "of d.t", id="though its record decides"),
        pytest.param("redirect=fail.t exp=x.d.t", "of %{d}", "of fail.t for d.t", id="a redirect's own is used"),
        pytest.param("redirect=bare.t exp=x.d.t", "of %{d}", None, id="and no other"),
    ],
)  # fmt: skip
def test_a_fail_is_explained_6_2(terms: str, text: str, explanation: str | None) -> None:
    others = """
        fail.t TXT v=spf1 -all exp=y.fail.t
        pass.t TXT v=spf1 all exp=y.fail.t
        y.fail.t TXT of %{d} for %{o}
        bare.t TXT v=spf1 -all
        broken.t TXT Ask us.
        """
    records = Records(zone(f"d.t TXT v=spf1 {terms}\nx.d.t TXT {text}\n{others}"), ["broken.t"])
    finding = judge(records)
    assert (finding.result, finding.fact("explanation")) == ("softfail" if terms[0] == "~" else "fail", explanation)


def test_an_explanation_is_fetched_after_all_else_and_for_a_fail_alone_6_2() -> None:
    text = "d.t TXT v=spf1 exp=x.t a:e1.t {}all\nx.t TXT Ask us.\ne1.t A 127.0.0.2"
    failing, passing = Records(zone(text.format("-"))), Records(zone(text.format("+")))
    assert (judge(failing).result, failing.questions) == ("fail", ["TXT d.t", "A e1.t", "TXT x.t"])
    assert (judge(passing).result, passing.questions) == ("pass", ["TXT d.t", "A e1.t"])


def test_the_time_in_an_explanation_is_in_seconds_since_the_epoch_7_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.7)
    records = Records(zone("d.t TXT v=spf1 -all exp=x.t\nx.t TXT %{t}"))
    assert judge(records).fact("explanation") == "1800000000"
