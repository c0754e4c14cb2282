"""The decision, pure: it gives a verdict or says what is still missing, and the engine fetches it.

Nothing is asked whose answer could not change the reply, so "no DNS unless it matters" is a consequence and no special
case.
"""

from collections.abc import Sequence
from enum import Enum, auto

from milter64.greylist.attempt import Standing, State
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.frozen_dataclass import frozen
from milter64.policy.action_table import ACCEPT, GREYLIST, TEMPFAIL, Rules


class Need(Enum):
    """What `policy.decide` lacks before it can give a verdict."""

    STANDING = auto()
    DNS = auto()


EXEMPT: Key = ("exempt", "policy.exempt")
"""The finding that takes a recipient out of all judgement: its result says who is exempt."""


@frozen
class Verdict:
    """What to do with a recipient, and all that decided it.

    `because` has the findings that led to the action; none means that nothing spoke against the client, or that the
    floor did. `standing` is set where the greylist had its say. `busy`: we were too busy to find out enough for a yes.
    """

    action: Action
    because: tuple[Finding, ...] = ()
    standing: Standing | None = None
    busy: bool = False


@frozen
class Evidence:
    """What is known of a transaction, weighed by the rules that count for it.

    `action` is the strongest that it leads to, `because` has the findings that do. `unanswered` are the questions that
    are still open, and `most` is the strongest action that their answers could lead to. `unasked` are those that we
    have been too busy to ask and ask no more, and `missed` is the strongest action that theirs could have led to.
    """

    known: Findings
    rules: Rules
    action: Action
    because: tuple[Finding, ...]
    unanswered: tuple[Key, ...]
    most: Action
    unasked: tuple[Key, ...] = ()
    missed: Action = ACCEPT


def weigh(known: Findings, rules: Rules, unasked: Sequence[Key] = ()) -> Evidence:
    """Weigh what is known. Who is exempt from everything is accepted, whatever else was found."""
    if exempt := known.get(EXEMPT):
        return Evidence(known=known, rules=rules, action=ACCEPT, because=(exempt,), unanswered=(), most=ACCEPT)
    action, because = rules.floor, []
    for finding in known.values():
        if led_to := rules.action(finding):
            if led_to > action:
                action, because = led_to, [finding]
            elif led_to is action:
                because.append(finding)
    unanswered = tuple([key for key in rules.asked if key not in known and key not in unasked])
    return Evidence(
        known=known,
        rules=rules,
        action=action,
        because=tuple(because),
        unanswered=unanswered,
        most=max([action, *[rules.asked[key] for key in unanswered]]),
        unasked=tuple(unasked),
        missed=max([rules.asked.get(key, ACCEPT) for key in unasked]) if unasked else ACCEPT,
    )


def wanted(evidence: Evidence, standing: Standing | None) -> Sequence[Key]:
    """Return the questions that `Need.DNS` means: all that name groups, or those that can raise the action."""
    if standing and standing.state is State.UNPROVEN:
        return evidence.unanswered
    return [key for key in evidence.unanswered if evidence.rules.asked[key] > evidence.action]


def decide(evidence: Evidence, standing: Standing | None) -> Verdict | Need:
    """Give the verdict on a recipient, or say what it takes: the greylist's word, or DNS.

    The order of judgement: who is exempt from everything, then the strongest action; if that is to greylist, the
    pair's standing turns it into acceptance or a 450. A new pair is told to wait before DNS is asked, although DNS
    might refuse it: that comes out on the retry.

    To be too busy to ask is no opinion: who could have been refused for the answer is put off, whatever else was found.
    One whom it could have greylisted waits as if it had, so that by retrying he passes, however busy we still are.
    """
    action, most, missed = evidence.action, evidence.most, evidence.missed
    if missed > GREYLIST >= action:
        return Verdict(action=TEMPFAIL, busy=True)
    suspect = action is GREYLIST or (action is ACCEPT and missed is GREYLIST)
    all_heard = action is most
    if all_heard and not suspect:
        return Verdict(action=action, because=evidence.because)
    if action > GREYLIST or not evidence.rules.greylisting:
        return Need.DNS
    if standing is None or not (standing.settled or evidence.unanswered):
        return Need.STANDING
    may_be_refused = most > GREYLIST
    passes = standing.state in _PASSES
    if standing.state is State.UNPROVEN or (may_be_refused if passes else not suspect):
        return Need.DNS
    busy = missed is GREYLIST and not passes
    action = ACCEPT if passes else TEMPFAIL if busy else GREYLIST
    return Verdict(action=action, because=evidence.because, standing=standing, busy=busy)


_PASSES = frozenset({State.PASSED, State.UNKEPT})
