"""What the figures mean: tables of cases."""

from dataclasses import replace

import pytest

from milter64.pages.document import Level
from milter64.report.facts import Facts, Suspect
from milter64.report.judgement import allow, judgement

GOOD = Facts(mode="observe", days=8.0, total=10_000, let_in=9_800, refused=1_000, origins={"ipv4": 10_000})
SUSPECT = Suspect(who="192.0.2.1", count=12, why="spf fail", speaks=("reverse DNS leads back to it",))


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        (GOOD, Level.GOOD, "you can enforce"),
        (replace(GOOD, days=7.0), Level.GOOD, "you can enforce"),
        (replace(GOOD, days=6.5), Level.NOTICE, "observe 1 day more: the log has only 6 d 12 h"),
        (replace(GOOD, days=0.01), Level.NOTICE, "observe 7 days more: the log has only 14 min"),
        (replace(GOOD, total=99), Level.NOTICE, "observe longer: in 8 days there were only 99 decisions"),
        (replace(GOOD, suspects=(SUSPECT,), honest_observed=12), Level.WARNING, "don't enforce yet"),
        (replace(GOOD, days=1.0, suspects=(SUSPECT,), honest_observed=12), Level.WARNING, "don't enforce yet"),
        (replace(GOOD, mode="enforce"), Level.GOOD, "it enforces, and nothing needs to be changed"),
        (replace(GOOD, mode="enforce", days=0.1), Level.GOOD, "it enforces, and nothing"),
        (
            replace(GOOD, mode="enforce", busy=100),
            Level.WARNING,
            "it enforces, and something below needs looking after",
        ),
        (Facts(), Level.PROBLEM, "there is nothing in it that milter64 has decided"),
    ],
)
def test_the_verdict_comes_first(facts: Facts, level: Level, words: str) -> None:
    first = judgement(facts)[0]
    assert (first.level, first.text[: len(words)]) == (level, words)


@pytest.mark.parametrize(
    ("facts", "level", "about", "words"),
    [
        (replace(GOOD, honest_observed=10), Level.WARNING, "honest mail", "10 of 9,800 that came in would be refused"),
        (replace(GOOD, honest_observed=50), Level.PROBLEM, "honest mail", "50 of 9,800"),
        (replace(GOOD, mode="enforce", honest_refused=10), Level.WARNING, "honest mail", "10 were refused and looked"),
        (replace(GOOD, suspects=(SUSPECT,)), Level.WARNING, "192.0.2.1", "12 times, mostly for spf fail"),
        (replace(GOOD, limited=(SUSPECT,)), Level.WARNING, "192.0.2.1", "12 times, mostly for spf fail"),
        (
            replace(GOOD, mode="enforce", lost=(SUSPECT,)),
            Level.WARNING,
            "192.0.2.1",
            "put off 12 times, never came back",
        ),
        (replace(GOOD, origins={"undecoded": 101}), Level.PROBLEM, "origin undecoded", "101 (1.0%) came through"),
        (replace(GOOD, origins={"undecoded": 1}), Level.NOTICE, "origin undecoded", "1 (0.0%) came through"),
        (replace(GOOD, origins={"invalid": 1}), Level.NOTICE, "origin invalid", "1 (0.0%) came in a translator's"),
        (replace(GOOD, origins={"masked": 500}), Level.PROBLEM, "origin masked", "500 (5.0%) came through a gateway"),
        (replace(GOOD, origins={"unknown": 500}), Level.PROBLEM, "origin unknown", "500 (5.0%) came without"),
        (
            *(replace(GOOD, answered={"dnsbl zen": 100}, unanswered={"dnsbl zen": 51}), Level.WARNING, "dnsbl zen"),
            "the DNS list gave no answer that counts to 51% of 100 questions",
        ),
        (
            *(replace(GOOD, answered={"spf": 100}, unanswered={"spf": 3}), Level.WARNING, "spf"),
            "DNS gave no answer to 3% of 100 questions",
        ),
        (replace(GOOD, busy=11), Level.WARNING, "busy", "11 times too many questions"),
        (
            replace(GOOD, troubles={"fault": (1, "where: rcpt")}),
            Level.WARNING,
            "fault",
            "warned of once, last: where: rcpt",
        ),
        (replace(GOOD, troubles={"dns list zen": (2, "x")}), Level.WARNING, "dns list zen", "warned of 2 times"),
        (replace(GOOD, troubles={"greylist": (2, "x")}), Level.NOTICE, "greylist", "warned of 2 times, last: x"),
        (replace(GOOD, mode="enforce", time_to_pass=18_000.0), Level.NOTICE, "greylist", "one in ten that came back"),
        (replace(GOOD, pseudonyms=True), Level.NOTICE, "log.privacy", "local parts are pseudonyms"),
    ],
)
def test_a_rule_says_what_is_wrong(facts: Facts, level: Level, about: str, words: str) -> None:
    found = next(finding for finding in judgement(facts)[1:] if finding.about == about)
    assert (found.level, found.text[: len(words)]) == (level, words)


@pytest.mark.parametrize(
    "facts",
    [
        GOOD,
        replace(GOOD, time_to_pass=18_000.0),
        replace(GOOD, busy=10),
        replace(GOOD, answered={"spf": 100}, unanswered={"spf": 2}),
        replace(GOOD, answered={"dnsbl zen": 100}, unanswered={"dnsbl zen": 50}),
    ],
)
def test_what_is_usual_is_not_told(facts: Facts) -> None:
    assert len(judgement(facts)) == 1


def test_who_was_let_in_before_it_enforced_is_told_apart_from_who_was_refused() -> None:
    suspect = replace(SUSPECT, observed=4)
    facts = replace(GOOD, mode="enforce", mixed=True, honest_refused=8, honest_observed=4, suspects=(suspect,))
    assert [finding.text for finding in judgement(facts)[1:]] == [
        "8 were refused and looked honest, beside 9,800 that came in (0.1%)",
        "4 of 9,800 that came in would be refused and look honest (0.0%)",
        "12 times, 4 of them in observe mode, mostly for spf fail",
    ]


def test_the_worst_comes_first() -> None:
    facts = replace(GOOD, pseudonyms=True, suspects=(SUSPECT,), origins={"undecoded": 9_000})
    levels = [finding.level for finding in judgement(facts)[1:]]
    assert levels == [Level.PROBLEM, Level.WARNING, Level.NOTICE]


@pytest.mark.parametrize(
    ("who", "spares", "line"),
    [
        ("192.0.2.1", "spf", 'milter64 allow 192.0.2.1 --spares spf --because "why"'),
        ("2001:db8::/64", "all", 'milter64 allow 2001:db8::/64 --spares all --because "why"'),
        ("@honest.example", "greylist", 'milter64 allow @honest.example --because "why"'),
        ("@evil.example;reboot", "greylist", None),
        ("@$(reboot).example", "greylist", None),
        ("@-x", "greylist", None),
        ("@", "greylist", None),
        ("", "greylist", None),
        ("unknown", "greylist", None),
    ],
)
def test_a_line_to_paste_holds_nothing_that_a_shell_would_take_for_more(
    who: str, spares: str, line: str | None
) -> None:
    assert allow(who, spares, "why") == ((line,) if line else ())


def test_a_reason_is_pasted_without_what_a_shell_reads() -> None:
    (line,) = allow("192.0.2.1", "spf", 'spf fail"; reboot `x` $y')
    assert line == 'milter64 allow 192.0.2.1 --spares spf --because "spf fail; reboot x y"'


@pytest.mark.parametrize(
    ("why", "spares"), [("spf fail", "spf"), ("spf softfail; spf fail", "spf"), ("spf fail; iprev fail", "all")]
)
def test_who_is_refused_by_spf_alone_is_spared_spf_alone(why: str, spares: str) -> None:
    found = judgement(replace(GOOD, suspects=(replace(SUSPECT, why=why),)))[1]
    assert f"--spares {spares} " in found.lines[0]
