from typing import Any

import pytest

from milter64.checks import spf
from milter64.checks.spf_settings import Settings
from milter64.mail.action import Action
from rig.envelopes import envelope
from rig.records import Records, zone
from rig.spfjudge import CLIENT, judge

NONE = None, None
NO_DOMAIN_NAMES = [
    *(
        "",
        "localhost",
        "[192.31.196.10]",
        "[IPv6:2001:db8::1]",
        "192.31.196.10",
        ".t",
        "a..t",
        "a b.t",
        "a\n.t",
        "a,b.t",
    ),
    *(f"{'a' * 64}.t", f"{'a.' * 126}aa", "\\097.t", f"{'é' * 60}.t", "é"),
]


def test_a_settings_section_left_out_is_as_documented() -> None:
    settings = Settings()
    assert settings.enabled
    assert settings.helo_actions == {"fail": Action.REJECT}
    assert settings.actions == {
        "fail": Action.REJECT,
        "softfail": Action.GREYLIST,
        "temperror": Action.GREYLIST,
        "permerror": Action.GREYLIST,
    }


@pytest.mark.parametrize("helo", [None, "joe@example.org", *NO_DOMAIN_NAMES])
def test_a_helo_that_is_no_domain_name_is_none_and_asks_nothing_2_3(helo: str | None) -> None:
    records = Records({})
    finding = records.find(spf.helo, envelope(CLIENT, helo, "joe@example.org"))
    assert (finding.key, finding.result, finding.facts) == (("spf", "smtp.helo"), "none", ())
    none = "no HELO or EHLO was given"
    assert finding.reason.endswith("is not a domain name of several labels" if helo else none)
    assert records.questions == []


@pytest.mark.parametrize("sender", ["joe", *(f"joe@{name}" for name in NO_DOMAIN_NAMES)])
def test_a_sender_without_a_domain_name_is_none_and_asks_nothing_4_3(sender: str) -> None:
    records = Records({})
    finding = records.find(spf.mailfrom, envelope(CLIENT, "mx.t", sender))
    assert (finding.key, finding.result, finding.facts) == (("spf", "smtp.mailfrom"), "none", ())
    none = "the sender has no domain"
    assert finding.reason.endswith(none if sender in {"joe", "joe@"} else "is not a domain name of several labels")
    assert records.questions == []


@pytest.mark.parametrize("name", ["a.t", "_x.a.t", "a.xn--p1ai", "a.1b", f"{'a' * 63}.t", f"{'a.' * 126}t", "a!.t"])
def test_a_name_that_dns_may_hold_is_asked_for(name: str) -> None:
    records = Records({})
    assert records.find(spf.helo, envelope(CLIENT, name, "")).fact("domain") == name
    assert records.questions == [f"TXT {name}"]


def test_helo_and_sender_are_judged_apart() -> None:
    records = Records(zone("mx.t TXT v=spf1 -all\nexample.org TXT v=spf1 +all"))
    both = envelope(CLIENT, "MX.t.", "joe@Example.ORG")
    helo, sender = records.find(spf.helo, both), records.find(spf.mailfrom, both)
    assert (helo.result, helo.fact("domain")) == ("fail", "mx.t")
    assert (sender.result, sender.fact("domain")) == ("pass", "example.org")


@pytest.mark.parametrize("check", [spf.helo, spf.mailfrom])
def test_helo_and_the_null_sender_are_postmaster_at_helo_2_4(check: Any) -> None:  # noqa: ANN401  either check
    records = Records(zone("mx.t TXT v=spf1 exists:%{l}.%{o}.%{h}.t -all\npostmaster.mx.t.mx.t.t A 127.0.0.2"))
    finding = records.find(check, envelope(CLIENT, "mx.t", ""))
    assert (finding.result, finding.fact("domain")) == ("pass", "mx.t")


def test_without_helo_the_macro_h_is_unknown() -> None:
    records = Records(zone("example.org TXT v=spf1 exists:%{h}.t -all\nunknown.t A 127.0.0.2"))
    assert records.find(spf.mailfrom, envelope(CLIENT, None, "joe@example.org")).result == "pass"


@pytest.mark.parametrize(
    "terms", ["ip4:192.31.196.0/24 -all", "a:a.t -all", "exists:%{ir}.%{v}.t -all", "ptr:a.t -all"]
)
def test_the_decoded_client_is_judged(terms: str) -> None:
    others = """
        a.t A 192.31.196.10
        a.t AAAA 2001:db8::1
        10.196.31.192.in-addr.t A 127.0.0.2
        10.196.31.192.in-addr.arpa PTR a.t
        """
    assert judge(terms, client="64:ff9b::c01f:c40a", others=others).result == "pass"


def test_an_undecoded_client_is_not_among_ipv4_addresses() -> None:
    assert judge("ip4:192.31.196.0/24 -all", client="2001:db8:64::c01f:c40a").result == "fail"


def test_a_client_without_address_is_none_and_asks_nothing() -> None:
    records = Records(zone("example.org TXT v=spf1 +all"))
    finding = records.find(spf.mailfrom, envelope(None, "mx.t", "joe@example.org"))
    assert (finding.result, records.questions) == ("none", [])


def test_an_internationalised_domain_is_asked_for_by_its_a_label_4_3() -> None:
    records = Records(zone("xn--bcher-kva.t TXT v=spf1 -all"))
    finding = records.find(spf.mailfrom, envelope(CLIENT, "mx.t", "joe@Bücher.t"))
    assert (finding.result, finding.fact("domain")) == ("fail", "xn--bcher-kva.t")


OTHERS = """
    pass.t TXT v=spf1 ip4:192.31.196.0/24 -all
    fail.t TXT v=spf1 ip4:10.0.0.0/8 -all exp=explain.t
    none.t TXT hello
    back.t TXT v=spf1 -include:fail.t redirect=none.t
    example.org MX 1 mx.t
    mx.t A 192.31.196.10
    a.t A 192.31.196.1
    a.t MX 1 a.t
    explain.t TXT Ask us.
    """


WITHIN = "ip4:192.31.196.0/24"


@pytest.mark.parametrize(
    ("terms", "result", "reason", "mechanism", "record"),
    [
        (f"{WITHIN} -all", "pass", f"{WITHIN} of example.org", WITHIN, "example.org"),
        ("include:pass.t -all", "pass", f"{WITHIN} of pass.t", WITHIN, "pass.t"),
        ("redirect=pass.t", "pass", f"{WITHIN} of pass.t", WITHIN, "pass.t"),
        ("-all", "fail", f"{CLIENT} is not permitted by example.org (-all)", "-all", "example.org"),
        ("redirect=fail.t", "fail", f"{CLIENT} is not permitted by example.org (-all)", "-all", "fail.t"),
        ("-include:pass.t", "fail", f"{CLIENT} is not permitted by example.org (-include:pass.t)", WITHIN, "pass.t"),
        ("~mx", "softfail", f"{CLIENT} is probably not permitted by example.org (~mx)", "~mx", "example.org"),
        ("?all", "neutral", f"example.org says nothing about {CLIENT} (?all)", "?all", "example.org"),
        ("include:fail.t", "neutral", f"example.org says nothing about {CLIENT} (no directive matches)", None, None),
        ("include:none.t", "permerror", "no SPF record at none.t, in the record of example.org: include:none.t", *NONE),
        ("a:a.t bad", "permerror", "unknown mechanism found, in the record of example.org: bad", *NONE),
        ("include:back.t", "permerror", "no SPF record at none.t, in the record of back.t: redirect=none.t", *NONE),
        ("include:fail.t include:broken.t", "temperror", "TXT broken.t: SERVFAIL", *NONE),
    ],
)  # fmt: skip
def test_a_finding_says_what_decided(
    terms: str, result: str, reason: str, mechanism: str | None, record: str | None
) -> None:
    finding = judge(terms, others=OTHERS)
    assert (finding.result, finding.reason) == (result, reason)
    assert (finding.fact("domain"), finding.fact("mechanism"), finding.fact("record")) == (
        "example.org",
        mechanism,
        record,
    )


@pytest.mark.parametrize(
    ("terms", "depends"),
    [
        ("exists:%{l}.%{d}.t -all", True),
        ("exists:%{S}.t -all", True),
        ("include:users.t -all", True),
        ("redirect=%{l1r-}.t", True),
        ("-all exp=explain.t", True),
        ("exists:%{i}.%{d}.%{o}.%{h}.t -all", False),
        ("ip4:192.31.196.10 exists:%{l}.t -all", False),
        ("-all redirect=%{l}.t", False),
        ("~all exp=explain.t", False),
        ("x=%{l} -all", False),
    ],
)
def test_whether_the_local_part_had_a_say_is_told_7_3(terms: str, *, depends: bool) -> None:
    others = "users.t TXT v=spf1 a:%{l}.t\nexplain.t TXT %{s} is none of ours"
    assert judge(terms, others=others).fact("local-part") == ("yes" if depends else None)


def test_strangers_words_are_cleaned_11_5() -> None:
    records = Records(zone(f"example.org TXT v=spf1 -exists:{'a' * 300}.t -all exp=x.t\nx.t TXT %{{h}} {'%{d}' * 99}"))
    finding = records.find(spf.mailfrom, envelope(CLIENT, "mx\r\nX-Forged: \x1b[31mé", "joe@example.org"))
    explanation = finding.fact("explanation") or ""
    assert explanation.startswith("mx X-Forged: ?[31m? example.org")
    assert len(explanation) == 255


def test_strangers_words_are_cut_to_255() -> None:
    long = judge(f"exists:{'%{d1}.' * 60}t", others=f"{'org.' * 60}t A 127.0.0.2")
    assert (long.result, len(long.reason), len(long.fact("mechanism") or "")) == ("pass", 255, 255)
    error = judge(f"{'x' * 300}")
    assert (error.result, len(error.reason)) == ("permerror", 255)


@pytest.mark.parametrize("terms", ["include:mixed.t include:none.t", "include:mixed.t include:broken.t"])
def test_an_error_leaves_nothing_but_the_domain(terms: str) -> None:
    others = "mixed.t TXT v=spf1 -include:pass.t\npass.t TXT v=spf1 all"
    assert judge(terms, others=others).facts == (("domain", "example.org"),)


def test_what_is_not_foreseen_is_a_temperror(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("milter64.checks.spf_check_host.CheckHost.check", break_down)
    finding = judge("+all")
    assert (finding.result, finding.reason) == ("temperror", "the record of example.org could not be evaluated")
    assert finding.fact("aside") == "unexpected ZeroDivisionError"


def test_pyspfs_own_resolver_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("spf.DNSLookup")
    assert judge("a:a.t mx:a.t ptr -exists:%{p}.t include:pass.t redirect=fail.t", others=OTHERS).result == "pass"
    assert judge("redirect=fail.t", others=OTHERS).fact("explanation") == "Ask us."
