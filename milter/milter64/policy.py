"""The decision, pure: it gives a verdict or says what is still missing, and the engine fetches it.

Nothing is asked whose answer could not change the reply, so "no DNS unless it matters" is a consequence and no special
case. What each result leads to is a table, by check, property, result and origin; what may not be held against a client
simply has no row in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from milter64.address import Client, Origin
from milter64.frozen import frozen
from milter64.greylist import Standing, State
from milter64.networks import Networks
from milter64.verdict import Action, Finding, Findings, Key, Need

ACCEPT, GREYLIST, TEMPFAIL, _REJECT = Action  # a name of a module is found in a quarter of the time

EXEMPT: Key = ("exempt", "policy.exempt")
"""The finding that takes a recipient out of all judgement: its result says who is exempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The table [trust]: who is not judged, by the address on the wire, and whether private addresses are."""

    networks: Networks = field(default_factory=lambda: Networks(("127.0.0.0/8", "::1/128")))
    relays: Networks = field(default_factory=Networks)
    authenticated: bool = True
    judge_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts for one kind of client.

    `actions` has what a (check, property, result) leads to; one that is not in it is accepted. `asked` has the
    questions that take DNS, each with the most that an answer can lead to. `floor` is what no finding at all leads to.
    `greylisting` says whether anything leads to the greylist.
    """

    actions: Mapping[tuple[str, str, str], Action]
    asked: Mapping[Key, Action]
    floor: Action = ACCEPT
    greylisting: bool = True

    def action(self, finding: Finding) -> Action:
        """Return what a finding leads to."""
        action = self.actions.get((finding.check, finding.property, finding.result))
        if not action or (action is GREYLIST and finding.fact("resolver") == "down"):
            return ACCEPT  # while no nameserver answers at all, everybody would look suspect
        return action

    def without_greylisting(self) -> "Rules":
        """Return the rules for a recipient who is never greylisted."""

        def lifted(action: Action) -> Action:
            return ACCEPT if action is GREYLIST else action

        return Rules(
            actions={key: lifted(action) for key, action in self.actions.items()},
            asked={key: lifted(action) for key, action in self.asked.items()},
            greylisting=False,
        )


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


class Policy:
    """The table of actions, made ready for each kind of client."""

    def __init__(
        self,
        table: Mapping[tuple[str, str, str, Origin], Action],
        questions: Mapping[Key, frozenset[str]],
        *,
        greylisting: bool = True,
        apply_to_all: bool = False,
        judge_private: bool = False,
    ) -> None:
        """Make the rules of every origin.

        `table` goes from check, property, result and origin to an action. `questions` are those that take DNS, each
        with the results that only DNS gives. `apply_to_all` greylists every client, `judge_private` asks about
        addresses of private use too.
        """
        self._rules: dict[tuple[Origin, bool, bool], Rules] = {}
        """By origin, whether the address is of private use, and whether the recipient is greylisted."""
        for origin in Origin:
            # All who hide behind a gateway would be one client to the greylist.
            kept = greylisting and origin is not Origin.MASKED
            floor = GREYLIST if apply_to_all and origin is not Origin.UNKNOWN else ACCEPT
            for private in (True, False):
                judged = origin.identifies and (judge_private or not private)
                actions = {
                    (check, property_, result): action
                    for (check, property_, result, row_origin), action in table.items()
                    if row_origin is origin and (judged or result not in questions.get((check, property_), ()))
                }
                asked = {
                    key: max((actions.get((*key, result), ACCEPT) for result in results), default=ACCEPT)
                    for key, results in questions.items()
                    if judged
                }
                rules = Rules(
                    actions=actions,
                    asked=asked,
                    floor=floor,
                    greylisting=GREYLIST in {floor, *actions.values()},
                )
                self._rules[origin, private, True] = rules if kept else rules.without_greylisting()
                self._rules[origin, private, False] = rules.without_greylisting()

    def rules(self, client: Client, *, greylisting: bool = True) -> Rules:
        """Return what counts for a client; `greylisting` is False for a recipient who is never greylisted.

        Of an address that isn't the client's own, or that the public DNS knows nothing about, nothing is asked.
        """
        return self._rules[client.origin, client.private, greylisting]


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
    if action is most is not GREYLIST and (action or not missed):
        return Verdict(action=action, because=evidence.because)
    if action is TEMPFAIL or not evidence.rules.greylisting:
        return Need.DNS
    if standing is None or not (standing.complete or evidence.unanswered):
        return Need.STANDING
    passes = standing.state in _PASSES
    if standing.state is State.UNPROVEN or (most > GREYLIST if passes else action is missed is ACCEPT):
        return Need.DNS
    action = ACCEPT if passes else TEMPFAIL if missed else GREYLIST
    return Verdict(action=action, because=evidence.because, standing=standing, busy=action is TEMPFAIL)


_PASSES = frozenset({State.PASSED, State.UNKEPT})
