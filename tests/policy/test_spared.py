"""Who is spared what: the allow list, the lists of DNS that speak for somebody, and those behind us who decide."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations, product

import pytest

from milter64.greylist.attempt import Standing, State
from milter64.limits.settings import RATE
from milter64.lists.listed import Listed
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.spares import Spares
from milter64.policy.action_table import Rules
from milter64.policy.decision import EXEMPT, Ask, Verdict, decide, weigh

SPF, HELO, IPREV = ("spf", "smtp.mailfrom"), ("spf", "smtp.helo"), ("iprev", "policy.iprev")
DNSWL, DMARC, DNSBL = ("dnswl", "list.example"), ("dmarc", "smtp.mailfrom"), ("dnsbl", "zen.example")
BLOCK, LIMIT = ("block", "network"), (RATE, "recipients")
ACTIONS = {
    (*SPF, "fail"): Action.REJECT,
    (*SPF, "softfail"): Action.GREYLIST,
    (*HELO, "fail"): Action.REJECT,
    (*IPREV, "fail"): Action.GREYLIST,
    (*DNSBL, "listed"): Action.REJECT,
    (*DMARC, "temperror"): Action.TEMPFAIL,
    (*BLOCK, "listed"): Action.REJECT,
    (*LIMIT, "ipv4/24"): Action.TEMPFAIL,
}
SPARES = {
    (*DNSWL, "pass"): Spares.GREYLIST,
    (*DMARC, "policy"): Spares.SPF_FAIL,
    (*DMARC, "temperror"): Spares.SPF_FAIL,
}
ASKED = {
    SPF: Action.REJECT,
    HELO: Action.REJECT,
    IPREV: Action.GREYLIST,
    DNSBL: Action.REJECT,
    DNSWL: Action.ACCEPT,
    DMARC: Action.ACCEPT,
}
RULES = Rules(
    actions=ACTIONS,
    asked=ASKED,
    floor=Action.ACCEPT,
    greylisting=True,
    spares=SPARES,
    relief={DNSWL: Spares.GREYLIST, DMARC: Spares.SPF_FAIL},
)
NEW = Standing(state=State.NEW, seconds=60, settled=True, rows={})
PASSED = Standing(state=State.PASSED, settled=True, rows={})


def found(results: Mapping[Key, str]) -> Findings:
    return {key: Finding(check=key[0], property=key[1], result=result) for key, result in results.items()}


def allow(spares: str) -> Finding:
    return Finding(check="allow", property="network", result=spares)


HARMLESS = {SPF: "pass", HELO: "none", IPREV: "pass", DNSBL: "none", DNSWL: "none", DMARC: "none"}


@pytest.mark.parametrize(
    ("results", "allowed", "action"),
    [
        ({SPF: "softfail"}, "greylist", Action.ACCEPT),
        ({IPREV: "fail"}, "greylist", Action.ACCEPT),
        ({SPF: "fail"}, "greylist", Action.REJECT),
        ({LIMIT: "ipv4/24"}, "greylist", Action.ACCEPT),
        ({SPF: "fail"}, "spf", Action.ACCEPT),
        ({HELO: "fail"}, "spf", Action.ACCEPT),
        ({IPREV: "fail"}, "spf", Action.GREYLIST),
        ({LIMIT: "ipv4/24"}, "spf", Action.ACCEPT),
        ({DNSBL: "listed"}, "spf", Action.REJECT),
        ({DNSBL: "listed"}, "all", Action.ACCEPT),
        ({SPF: "fail", HELO: "fail", IPREV: "fail", LIMIT: "ipv4/24"}, "all", Action.ACCEPT),
        ({BLOCK: "listed"}, "all", Action.REJECT),
        ({DNSWL: "pass", IPREV: "fail"}, None, Action.ACCEPT),
        ({DNSWL: "pass", SPF: "fail"}, None, Action.REJECT),
        ({DNSWL: "pass", LIMIT: "ipv4/24"}, None, Action.TEMPFAIL),
        ({DMARC: "policy", SPF: "fail"}, None, Action.ACCEPT),
        ({DMARC: "policy", HELO: "fail"}, None, Action.REJECT),
        ({DMARC: "policy", SPF: "softfail"}, None, Action.GREYLIST),
        ({DMARC: "temperror", SPF: "fail"}, None, Action.TEMPFAIL),
        ({DMARC: "none", SPF: "fail"}, None, Action.REJECT),
        ({EXEMPT: "postmaster", SPF: "fail", DNSBL: "listed", LIMIT: "ipv4/24"}, None, Action.ACCEPT),
        ({EXEMPT: "postmaster", BLOCK: "listed"}, None, Action.REJECT),
    ],
)
def test_what_is_spared_counts_for_nothing_and_all_else_as_ever(
    results: dict[Key, str], allowed: str | None, action: Action
) -> None:
    listed = Listed(findings=(allow(allowed),)) if allowed else Listed()
    verdict = decide(weigh(found({**HARMLESS, **results}), RULES, (), listed), NEW)
    assert isinstance(verdict, Verdict)
    assert verdict.action is action


def test_who_is_blocked_is_told_so_and_nothing_that_comes_after() -> None:
    block = Finding(check="block", property="network", result="listed")
    verdict = decide(weigh(found({**HARMLESS, SPF: "fail"}), RULES, (), Listed(findings=(block,))), None)
    assert verdict == Verdict(action=Action.REJECT, because=(block,))


def test_an_acceptance_names_what_spared_the_client_all_else() -> None:
    listed = Listed(findings=(allow("all"),))
    verdict = decide(weigh(found({**HARMLESS, SPF: "fail"}), RULES, (), listed), None)
    assert verdict == Verdict(action=Action.ACCEPT, because=(allow("all"),))


@pytest.mark.parametrize(
    ("results", "because"),
    [
        ({DMARC: "policy", SPF: "fail"}, [DMARC]),
        ({DMARC: "policy"}, []),
        ({DMARC: "policy", SPF: "fail", DNSWL: "pass", IPREV: "fail"}, [DNSWL, DMARC]),
        ({DMARC: "policy", DNSWL: "pass", IPREV: "fail"}, [DNSWL]),
        ({DMARC: "policy", SPF: "fail", HELO: "fail"}, [HELO]),
    ],
)
def test_what_has_nothing_to_spare_somebody_is_not_named(results: dict[Key, str], because: list[Key]) -> None:
    verdict = decide(weigh(found({**HARMLESS, **results}), RULES), NEW)
    assert isinstance(verdict, Verdict)
    assert [finding.key for finding in verdict.because] == because


def test_an_acceptance_by_default_names_who_spared_the_client_his_wait() -> None:
    verdict = decide(weigh(found({**HARMLESS, DNSWL: "pass"}), replace(RULES, floor=Action.GREYLIST)), NEW)
    assert verdict == Verdict(action=Action.ACCEPT, because=tuple(found({DNSWL: "pass"}).values()))


def asked(known: Mapping[Key, str], listed: Listed, standing: Standing | None = NEW) -> object:
    step = decide(weigh(found(known), RULES, (), listed), standing)
    return set(step.keys) if isinstance(step, Ask) else step.action if isinstance(step, Verdict) else step


BY_NAME = Listed(may_spare={IPREV: Spares.GREYLIST | Spares.RATE})
BY_NAME_ALL = Listed(may_spare={IPREV: Spares.ALL})


@pytest.mark.parametrize(
    ("known", "listed", "standing", "step"),
    [
        # a list that speaks for somebody is asked before he waits, and not where he wouldn't
        ({**HARMLESS, IPREV: "fail"} | {DNSWL: None}, Listed(), NEW, {DNSWL}),
        ({**HARMLESS, IPREV: "fail"} | {DNSWL: None}, Listed(), PASSED, Action.ACCEPT),
        ({**HARMLESS, SPF: "fail"} | {DNSWL: None}, Listed(), NEW, Action.REJECT),
        (HARMLESS | {DNSWL: None}, Listed(), NEW, Action.ACCEPT),
        # whether there is a policy of DMARC, only where SPF is about to refuse
        ({**HARMLESS, SPF: "fail"} | {DMARC: None}, Listed(), None, {DMARC}),
        ({**HARMLESS, SPF: "fail", HELO: "fail"} | {DMARC: None}, Listed(), None, Action.REJECT),
        (HARMLESS | {DMARC: None}, Listed(), None, Action.ACCEPT),
        # whether a name is the one that is allowed, only where that would help
        ({**HARMLESS, SPF: "softfail"} | {IPREV: None}, BY_NAME, NEW, {IPREV}),
        ({**HARMLESS, SPF: "fail"} | {IPREV: None}, BY_NAME, NEW, Action.REJECT),
        ({**HARMLESS, SPF: "fail"} | {IPREV: None}, BY_NAME_ALL, None, {IPREV}),
        # a limit that is used up asks for nothing else
        ({LIMIT: "ipv4/24"}, Listed(), None, Action.TEMPFAIL),
        ({LIMIT: "ipv4/24"}, BY_NAME, None, {IPREV}),
        # a block by name is asked about wherever somebody would come in
        (HARMLESS | {IPREV: None}, Listed(may_block=frozenset({IPREV})), PASSED, {IPREV}),
        ({**HARMLESS, SPF: "fail"} | {IPREV: None}, Listed(may_block=frozenset({IPREV})), None, Action.REJECT),
        ({EXEMPT: "postmaster"}, Listed(may_block=frozenset({IPREV})), NEW, {IPREV}),
    ],
)
def test_what_may_spare_somebody_is_asked_only_where_it_can(
    known: dict[Key, str | None], listed: Listed, standing: Standing | None, step: object
) -> None:
    assert asked({key: result for key, result in known.items() if result}, listed, standing) == step


def test_who_could_have_been_spared_a_refusal_is_put_off_while_we_are_too_busy_to_ask() -> None:
    known = {key: finding for key, finding in found({**HARMLESS, SPF: "fail"}).items() if key != DMARC}
    verdict = decide(weigh(known, RULES, [DMARC]), None)
    assert isinstance(verdict, Verdict)
    assert (verdict.action, verdict.busy) == (Action.TEMPFAIL, True)


@pytest.mark.parametrize(
    ("spares", "results", "action", "because"),
    [
        (Spares.ALL, {SPF: "fail", IPREV: "temperror"}, Action.TEMPFAIL, IPREV),
        (Spares.GREYLIST, {SPF: "fail", IPREV: "temperror"}, Action.REJECT, SPF),
        (Spares.ALL, {BLOCK: "listed", IPREV: "temperror"}, Action.REJECT, BLOCK),
    ],
)
def test_who_might_be_allowed_is_refused_for_nothing_while_dns_gives_no_answer(
    spares: Spares, results: dict[Key, str], action: Action, because: Key
) -> None:
    evidence = weigh(found({**HARMLESS, **results}), RULES, (), Listed(may_spare={IPREV: spares}))
    verdict = decide(evidence, None)
    assert isinstance(verdict, Verdict)
    assert (verdict.action, [finding.key for finding in verdict.because]) == (action, [because])


TRUTHS = {
    SPF: ("pass", "fail", "softfail"),
    HELO: ("none", "fail"),
    IPREV: ("pass", "fail"),
    DNSBL: ("none", "listed"),
    DNSWL: ("none", "pass"),
    DMARC: ("none", "policy", "temperror"),
}


@pytest.mark.parametrize("standing", [NEW, PASSED], ids=["new", "passed"])
def test_whatever_is_known_at_first_the_end_is_that_of_full_information(standing: Standing) -> None:
    """Who is put off at first may be refused later, as ever; nobody is refused who would not be, nor the other way."""
    for results in product(*TRUTHS.values()):
        truth = found(dict(zip(TRUTHS, results, strict=True)))
        if truth[DMARC].result == "temperror" and truth[SPF].result != "fail":
            continue  # nobody asks for it then
        full = decide(weigh(truth, RULES), standing)
        assert isinstance(full, Verdict)
        for keys in (*combinations(TRUTHS, 1), *combinations(TRUTHS, 3), ()):
            known, reached, steps = {key: truth[key] for key in keys}, None, 0
            while not isinstance(step := decide(weigh(known, RULES), reached), Verdict):
                steps += 1
                assert steps < 8
                if isinstance(step, Ask):
                    assert step.keys
                    known |= {key: truth[key] for key in step.keys}
                else:
                    reached = standing
            put_off_first = step.action is Action.GREYLIST and full.action > Action.GREYLIST
            assert step.action is full.action or put_off_first, (results, keys, step, full)
