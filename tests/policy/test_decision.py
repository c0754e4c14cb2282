from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from milter64.greylist.attempt import Standing, State
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Findings, Key
from milter64.policy.action_table import Rules
from milter64.policy.decision import EXEMPT, Ask, Evidence, Need, Verdict, decide, names_group, weigh

QUESTIONS: tuple[Key, ...] = (("spf", "smtp.helo"), ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev"))


def finding(key: Key, action: Action) -> Finding:
    return Finding(check=key[0], property=key[1], result=action.name)


def rules(most: dict[Key, Action], floor: Action = Action.ACCEPT) -> Rules:
    actions = {(*key, action.name): action for key in most for action in Action}
    return Rules(actions=actions, asked=most, floor=floor, greylisting=True)


def standing(state: State, *, settled: bool = True) -> Standing:
    return Standing(state=state, seconds=60, settled=settled, rows={})


class Pair:
    """What the greylist says of a pair before DNS was asked, and after."""

    def __init__(self, before: State, after: State) -> None:
        self.before, self.after = before, after

    def attempt(self, *, settled: bool) -> Standing:
        return standing(self.after if settled else self.before, settled=settled)


PAIRS = (
    Pair(State.NEW, State.NEW),
    Pair(State.WAITING, State.WAITING),
    Pair(State.PASSED, State.PASSED),
    Pair(State.UNPROVEN, State.PASSED),
    Pair(State.UNPROVEN, State.WAITING),
    Pair(State.UNKEPT, State.UNKEPT),
)


def run(known: Findings, truth: Findings, pair: Pair, rules: Rules) -> tuple[Verdict, list[Need | type[Ask]]]:
    """Fetch what `decide` needs until it has a verdict."""
    known, needs, reached = dict(known), list[Need | type[Ask]](), None
    while not isinstance(step := decide(weigh(known, rules), reached), Verdict):
        assert len(needs) < 3
        if isinstance(step, Ask):
            needs.append(Ask)
            assert step.keys, "DNS was needed, and nothing to ask"
            known |= {key: truth[key] for key in step.keys}
        else:
            needs.append(step)
            reached = pair.attempt(settled=not names_group(weigh(known, rules)))
    return step, needs


def outcomes() -> Iterator[tuple[Action, Action, bool]]:
    """What a question can lead to at most, what it leads to, and whether that is known from the start."""
    for most, action in product(Action, Action):
        if action <= most:
            yield from ((most, action, True), (most, action, False))


@pytest.mark.parametrize("floor", [Action.ACCEPT, Action.GREYLIST])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.before.value}-{pair.after.value}")
def test_three_needs_at_most_lead_to_the_verdict_that_full_information_would_give(pair: Pair, floor: Action) -> None:
    for case in product(outcomes(), repeat=len(QUESTIONS)):
        table = rules({key: most for key, (most, _, _) in zip(QUESTIONS, case, strict=True)}, floor)
        truth = {key: finding(key, action) for key, (_, action, _) in zip(QUESTIONS, case, strict=True)}
        known = {key: truth[key] for key, (_, _, is_known) in zip(QUESTIONS, case, strict=True) if is_known}

        verdict, _ = run(known, truth, pair, table)
        full, _ = run(truth, truth, pair, table)

        put_off_first = verdict.action is Action.GREYLIST and full.action > Action.GREYLIST
        assert verdict.action is full.action or put_off_first, (case, verdict, full)
        if put_off_first:
            assert verdict.standing
            assert verdict.standing.state in (State.NEW, State.WAITING)
            assert max(floor, *(table.action(each) for each in known.values()), Action.ACCEPT) is Action.GREYLIST


@pytest.mark.parametrize("floor", [Action.ACCEPT, Action.GREYLIST])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.before.value}-{pair.after.value}")
def test_being_busy_lets_nobody_in_and_refuses_nobody_for_good_whom_full_information_would_not(
    pair: Pair, floor: Action
) -> None:
    for case in product(outcomes(), repeat=len(QUESTIONS)):
        table = rules({key: most for key, (most, _, _) in zip(QUESTIONS, case, strict=True)}, floor)
        truth = {key: finding(key, action) for key, (_, action, _) in zip(QUESTIONS, case, strict=True)}
        known = {key: truth[key] for key, (_, _, is_known) in zip(QUESTIONS, case, strict=True) if is_known}
        evidence, reached = weigh(known, table, [key for key in QUESTIONS if key not in known]), None
        while not isinstance(step := decide(evidence, reached), Verdict):
            assert (step, reached) == (Need.STANDING, None), "there is nothing left to ask"
            reached = pair.attempt(settled=True)
        full, _ = run(truth, truth, pair, table)
        assert step.action is not Action.ACCEPT or full.action is Action.ACCEPT, (case, step, full)
        assert step.action is not Action.REJECT or full.action is Action.REJECT, (case, step, full)


SPF = ("spf", "smtp.mailfrom")
NEW, PASSED = PAIRS[0], PAIRS[2]


@pytest.mark.parametrize(
    ("most", "floor", "known", "truth", "pair", "needs"),
    [
        pytest.param(
            Action.REJECT, Action.ACCEPT, Action.REJECT, None, NEW, [], id="refused either way: no DNS, no row"
        ),
        pytest.param(
            Action.ACCEPT, Action.ACCEPT, None, Action.ACCEPT, NEW, [], id="report only: not asked for a reply"
        ),
        pytest.param(
            Action.REJECT, Action.GREYLIST, None, Action.REJECT, NEW, [Need.STANDING], id="new: 450 before DNS"
        ),
        pytest.param(
            Action.REJECT,
            Action.GREYLIST,
            None,
            Action.REJECT,
            PASSED,
            [Need.STANDING, Ask],
            id="retry: 550 by DNS",
        ),
        pytest.param(
            Action.GREYLIST, Action.ACCEPT, None, Action.GREYLIST, PASSED, [Need.STANDING], id="known: no DNS"
        ),
        pytest.param(
            Action.REJECT,
            Action.ACCEPT,
            None,
            Action.GREYLIST,
            NEW,
            [Need.STANDING, Ask, Need.STANDING],
            id="suspect: the groups are known when it is new",
        ),
    ],
)
def test_nothing_is_asked_whose_answer_could_not_change_the_reply(  # noqa: PLR0917  the table's columns
    most: Action, floor: Action, known: Action | None, truth: Action | None, pair: Pair, needs: list[Need | type[Ask]]
) -> None:
    table = rules({SPF: most}, floor)
    _, asked = run(
        {} if known is None else {SPF: finding(SPF, known)},
        {} if truth is None else {SPF: finding(SPF, truth)},
        pair,
        table,
    )
    assert asked == needs


@pytest.mark.parametrize(
    ("known", "unasked", "state", "action", "busy"),
    [
        # Could it have refused him? Then we can't say yes.
        (Action.ACCEPT, Action.REJECT, State.PASSED, Action.TEMPFAIL, True),
        (Action.ACCEPT, Action.TEMPFAIL, State.PASSED, Action.TEMPFAIL, True),
        (Action.GREYLIST, Action.REJECT, State.PASSED, Action.TEMPFAIL, True),
        (Action.GREYLIST, Action.REJECT, State.NEW, Action.TEMPFAIL, True),
        # Could it have greylisted him? Then who has passed is accepted, and others wait as if it had.
        (Action.ACCEPT, Action.GREYLIST, State.PASSED, Action.ACCEPT, False),
        (Action.GREYLIST, Action.GREYLIST, State.PASSED, Action.ACCEPT, False),
        (Action.ACCEPT, Action.GREYLIST, State.UNKEPT, Action.ACCEPT, False),
        (Action.ACCEPT, Action.GREYLIST, State.NEW, Action.TEMPFAIL, True),
        (Action.ACCEPT, Action.GREYLIST, State.WAITING, Action.TEMPFAIL, True),
        (Action.GREYLIST, Action.GREYLIST, State.NEW, Action.TEMPFAIL, True),
        # Else it could have changed nothing.
        (Action.ACCEPT, Action.ACCEPT, State.NEW, Action.ACCEPT, False),
        (Action.GREYLIST, Action.ACCEPT, State.NEW, Action.GREYLIST, False),
        (Action.TEMPFAIL, Action.GREYLIST, State.NEW, Action.TEMPFAIL, False),
        (Action.TEMPFAIL, Action.REJECT, State.NEW, Action.TEMPFAIL, False),
        (Action.REJECT, Action.REJECT, State.NEW, Action.REJECT, False),
    ],
)
def test_what_we_are_too_busy_to_ask_is_no_opinion(
    known: Action, unasked: Action, state: State, action: Action, *, busy: bool
) -> None:
    table = rules({QUESTIONS[0]: Action.REJECT, SPF: unasked})
    reached = None
    evidence = weigh({QUESTIONS[0]: finding(QUESTIONS[0], known)}, table, [SPF])
    while not isinstance(step := decide(evidence, reached), Verdict):
        assert step is Need.STANDING
        reached = standing(state)
    assert (step.action, step.busy) == (action, busy)
    waits = busy and unasked is Action.GREYLIST
    assert not waits or step.standing == reached  # whose rows are kept


def decided(evidence: Evidence, standing: Standing | None) -> tuple[Need | type[Ask] | Action, bool]:
    """What `decide` says, as one formula; and whether we were too busy."""
    action, most, missed = evidence.action, evidence.most, evidence.missed
    if missed > Action.GREYLIST >= action:
        return Action.TEMPFAIL, True
    if action is most is not Action.GREYLIST and (action or not missed):
        return action, False
    if action is Action.TEMPFAIL or not evidence.rules.greylisting:
        return Ask, False
    if standing is None or not (standing.settled or evidence.unanswered):
        return Need.STANDING, False
    passes = standing.state in (State.PASSED, State.WAVED, State.UNKEPT)
    if standing.state is State.UNPROVEN or (most > Action.GREYLIST if passes else action is missed is Action.ACCEPT):
        return Ask, False
    action = Action.ACCEPT if passes else Action.TEMPFAIL if missed else Action.GREYLIST
    return action, action is Action.TEMPFAIL


def test_every_combination_of_what_is_known_is_decided_as_the_formula_says() -> None:
    standings = [None, *(standing(state, settled=settled) for state in State for settled in (True, False))]
    because = (finding(SPF, Action.GREYLIST),)
    for action, most, missed, reached, unanswered, greylisting in product(
        Action, Action, Action, standings, ((), (SPF,)), (True, False)
    ):
        if most < action:
            continue
        evidence = Evidence(
            known={},
            rules=replace(rules({}), greylisting=greylisting),
            action=action,
            because=because,
            unanswered=unanswered,
            may=dict.fromkeys(unanswered, most),
            most=most,
            missed=missed,
        )
        step, case = decide(evidence, reached), (evidence, reached)
        expected, busy = decided(evidence, reached)
        if isinstance(step, Need):
            assert step is expected, case
        elif isinstance(step, Ask):
            assert expected is Ask, case
        else:
            assert (step.action, step.busy) == (expected, busy), case
            assert step.standing in (reached, None), case
            assert step.because == (because if step.standing or not busy else ()), case


def test_who_is_exempt_is_accepted_whatever_else_was_found() -> None:
    exempt = Finding(check=EXEMPT[0], property=EXEMPT[1], result="trusted")
    known = {EXEMPT: exempt, SPF: finding(SPF, Action.REJECT)}
    assert decide(weigh(known, rules({SPF: Action.REJECT})), None) == Verdict(action=Action.ACCEPT, because=(exempt,))


def test_the_verdict_names_every_finding_that_decided_it_and_no_other() -> None:
    actions = (Action.REJECT, Action.GREYLIST, Action.REJECT)
    known = {key: finding(key, action) for key, action in zip(QUESTIONS, actions, strict=True)}
    verdict = decide(weigh(known, rules(dict.fromkeys(QUESTIONS, Action.REJECT))), None)
    assert isinstance(verdict, Verdict)
    assert verdict.because == (known[QUESTIONS[0]], known[QUESTIONS[2]])


def test_without_greylisting_the_store_is_never_read() -> None:
    table = rules({SPF: Action.REJECT}).without_greylisting()
    _, asked = run({}, {SPF: finding(SPF, Action.GREYLIST)}, NEW, table)
    assert asked == [Ask]


@pytest.mark.parametrize(
    ("floor", "lifted"),
    [(Action.ACCEPT, Action.ACCEPT), (Action.GREYLIST, Action.ACCEPT), (Action.REJECT, Action.REJECT)],
)
def test_without_greylisting_whatever_led_to_it_is_accepted_and_nothing_else_changes(
    floor: Action, lifted: Action
) -> None:
    table = rules({SPF: floor}, floor).without_greylisting()
    assert (table.floor, table.asked, table.greylisting) == (lifted, {SPF: lifted}, False)
    assert table.action(finding(SPF, Action.GREYLIST)) is Action.ACCEPT
    assert table.action(finding(SPF, Action.TEMPFAIL)) is Action.TEMPFAIL
