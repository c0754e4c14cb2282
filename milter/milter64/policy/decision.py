"""The decision, pure: it gives a verdict or says what is still missing, and the engine fetches it.

Nothing is asked whose answer could not change the reply, so "no DNS unless it matters" is a consequence and no special
case. An answer may raise the action; and it may spare somebody what he is about to be told.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto

from milter64.address.frozen_dataclass import frozen
from milter64.greylist.attempt import Standing, State
from milter64.limits.settings import RATE
from milter64.lists.listed import ALLOW, BLOCK, NOT_LISTED, SPARED, Listed
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.spares import Spares
from milter64.policy.action_table import ACCEPT, GREYLIST, REJECT, TEMPFAIL, Rules

NOTHING = Spares.NOTHING  # as with the actions


class Need(Enum):
    """What `decide` lacks before it can give a verdict."""

    STANDING = auto()
    """Where the pair stands with the greylist."""


@frozen
class Ask:
    """What else it may lack: the answers of DNS to some questions."""

    keys: Sequence[Key]


EXEMPT: Key = ("exempt", "policy.exempt")
"""The finding that spares somebody everything but a block: its result says who is exempt."""
NAMES_GROUP: frozenset[Key] = frozenset({("spf", "smtp.helo"), ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")})
"""The questions by which a client is proven to be in groups of the greylist."""


@frozen
class Verdict:
    """What to do with a recipient, and all that decided it.

    `because` has the findings that led to the action, or that spared one; none means that nothing spoke against the
    client, or that the floor did. `standing` is set where the greylist had its say. `busy`: we were too busy to find
    out enough for a yes, or for a no.
    """

    action: Action
    because: tuple[Finding, ...] = ()
    standing: Standing | None = None
    busy: bool = False

    @property
    def blames(self) -> bool:
        """Whether the client has behaved badly: it is refused for more than one mailbox."""
        return self.action is REJECT and any(finding.key not in _OF_MAILBOX for finding in self.because)

    @property
    def excess(self) -> Finding | None:
        """The limit that the recipient is put off for, if so."""
        if self.action is not TEMPFAIL:
            return None
        return next((finding for finding in self.because if finding.check == RATE), None)


_RECIPIENT: Key = ("path", "smtp.rcptto")
"""A recipient who can't be told, and so may be one who is blocked."""
_OF_MAILBOX: frozenset[Key] = frozenset({(BLOCK, "recipient"), (BLOCK, "sender"), _RECIPIENT})
"""What is held against a recipient, or a sender whose domain and address are others' too."""


@frozen
class Evidence:
    """What is known of a transaction, weighed by the rules that count for it.

    `action` is the strongest that it leads to, `because` has the findings that do. `unanswered` are the questions that
    are still open, `may` has what the answer to each question could lead to, and `most` is the strongest action that
    may come of it all. `unasked` are those that we have been too busy to ask and ask no more, and `missed` is the
    strongest action that theirs could have led to. `spared` is what doesn't count, and `listed` what the admin's lists
    say.
    """

    known: Findings
    rules: Rules
    action: Action
    because: tuple[Finding, ...]
    unanswered: tuple[Key, ...]
    may: Mapping[Key, Action]
    most: Action
    unasked: tuple[Key, ...] = ()
    missed: Action = ACCEPT
    spared: Spares = NOTHING
    listed: Listed = NOT_LISTED


def weigh(known: Findings, rules: Rules, unasked: Sequence[Key] = (), listed: Listed = NOT_LISTED) -> Evidence:
    """Weigh what is known. Who is exempt from everything is accepted, whatever else was found, unless he is blocked."""
    if listed.findings:
        known = {**known, **{finding.key: finding for finding in listed.findings}}
    spared, sparing = NOTHING, list[Finding]()
    if rules.spares or listed.findings or EXEMPT in known:
        spared, sparing = _spared(known, listed, rules)
    action, because = _strongest(known, rules, spared)
    if listed.findings:  # who is blocked is told so, and nothing that comes after it
        because = [finding for finding in because if finding.check == BLOCK] or because
    may = rules.asked
    if spared is not NOTHING or listed.may_block:
        may = {key: REJECT if key in listed.may_block else _left(key, most, spared) for key, most in may.items()}
    unanswered = tuple([key for key in may if key not in known and key not in unasked])
    most = max([action, *[may[key] for key in unanswered]])
    if action is TEMPFAIL and any(finding.check == RATE for finding in because):
        most = action  # a flood must not make us ask whether there is more against it
    return Evidence(
        known=known,
        rules=rules,
        action=action,
        because=tuple(because or sparing),
        unanswered=unanswered,
        may=may,
        most=most,
        unasked=tuple(unasked),
        missed=max([may.get(key, ACCEPT) for key in unasked]) if unasked else ACCEPT,
        spared=spared,
        listed=listed,
    )


def _spared(known: Findings, listed: Listed, rules: Rules) -> tuple[Spares, list[Finding]]:
    """Return what is spared, and the findings by which it is; of DNS's those alone without which something counted."""
    if exempt := known.get(EXEMPT):
        return Spares.ALL, [exempt]
    spared, sparing = NOTHING, list[Finding]()
    for finding in listed.findings:
        if finding.check == ALLOW:
            spared |= SPARED[finding.result]
            sparing.append(finding)
    for finding in known.values() if rules.spares else ():
        if spares := rules.spared(finding):
            spared |= spares
            if _would_count(known, rules, spares):
                sparing.append(finding)
    return spared, sparing


def _would_count(known: Findings, rules: Rules, spares: Spares) -> bool:
    """Whether anything would count that is spared."""
    if rules.floor is GREYLIST and Spares.GREYLIST in spares:
        return True
    led_to = [(finding, rules.action(finding)) for finding in known.values()]
    return any(action and _is_spared(finding, action, spares) for finding, action in led_to)


def _strongest(known: Findings, rules: Rules, spared: Spares) -> tuple[Action, list[Finding]]:
    """Return the strongest action that findings lead to, but for what is spared, and which of them do."""
    action, because = rules.floor, list[Finding]()
    if action is GREYLIST and _spares_greylist(spared):
        action = ACCEPT
    for finding in known.values():
        led_to = rules.action(finding)
        if led_to and (spared is NOTHING or not _is_spared(finding, led_to, spared)):
            if led_to > action:
                action, because = led_to, [finding]
            elif led_to is action:
                because.append(finding)
    return action, because


def _spares_greylist(spared: Spares) -> bool:
    return spared is not NOTHING and Spares.GREYLIST in spared  # nobody is spared anything nearly always


def _is_spared(finding: Finding, action: Action, spared: Spares) -> bool:
    if finding.check == BLOCK or finding.key == _RECIPIENT:
        return False
    if finding.key == _MAILFROM and finding.result == "fail" and Spares.SPF_FAIL in spared:
        return True
    return _left(finding.key, action, spared) is ACCEPT


def _left(key: Key, action: Action, spared: Spares) -> Action:
    """Return what is left of an action that an answer to a question leads to."""
    by = {"spf": Spares.SPF, RATE: Spares.RATE}.get(key[0], Spares.OTHERS)
    if action is GREYLIST:
        by |= Spares.GREYLIST
    return ACCEPT if by & spared else action


_MAILFROM: Key = ("spf", "smtp.mailfrom")


def names_group(evidence: Evidence) -> Sequence[Key]:
    """Return the open questions by which the client may be proven to be in groups of the greylist."""
    return [key for key in evidence.unanswered if key in NAMES_GROUP]


def decide(evidence: Evidence, standing: Standing | None) -> Verdict | Need | Ask:
    """Give the verdict on a recipient, or say what it takes: the greylist's word, or DNS.

    The order of judgement: who is blocked, then who is exempt from everything, then what is spared, then the strongest
    action; if that is to greylist, the pair's standing turns it into acceptance or a 450. A new pair is told to wait
    before DNS is asked, although DNS might refuse it: that comes out on the retry. Whoever is about to be told anything
    but yes has those questions asked that may spare him that.

    To be too busy to ask is no opinion: who could have been refused for the answer is put off, whatever else was found.
    One whom it could have greylisted waits as if it had, so that by retrying he passes, however busy we still are.
    """
    action, most, missed = evidence.action, evidence.most, evidence.missed
    if missed > GREYLIST >= action:
        return Verdict(action=TEMPFAIL, busy=True)
    suspect = action is GREYLIST or (action is ACCEPT and missed is GREYLIST)
    all_heard = action is most
    if all_heard and not suspect:
        return _unless_spared(evidence, Verdict(action=action, because=evidence.because))
    if action > GREYLIST or not evidence.rules.greylisting or _spares_greylist(evidence.spared):
        return Ask(keys=[key for key in evidence.unanswered if evidence.may[key] > action])
    if standing is None or not (standing.settled or names_group(evidence)):
        return Need.STANDING
    unproven, may_be_refused = standing.state is State.UNPROVEN, most > GREYLIST
    passes = standing.state in _PASSES
    if unproven or (may_be_refused if passes else not suspect):
        named = names_group(evidence) if unproven else ()
        return Ask(keys=[key for key in evidence.unanswered if evidence.may[key] > action or key in named])
    busy = missed is GREYLIST and not passes
    action = ACCEPT if passes else TEMPFAIL if busy else GREYLIST
    return _unless_spared(evidence, Verdict(action=action, because=evidence.because, standing=standing, busy=busy))


_PASSES = frozenset({State.PASSED, State.WAVED, State.UNKEPT})


def _unless_spared(evidence: Evidence, verdict: Verdict) -> Verdict | Ask:
    """Return a verdict, or what is to be asked first: all whose answers may spare somebody what it says."""
    if verdict.action is ACCEPT or verdict.busy:
        return verdict
    may_wave = verdict.standing is not None and verdict.standing.may_wave
    if keys := (names_group(evidence) if may_wave else ()) or _sparing(evidence, evidence.unanswered):
        return Ask(keys=keys)
    if verdict.action is REJECT and _sparing(evidence, evidence.unasked):
        return Verdict(action=TEMPFAIL, because=verdict.because, busy=True)
    lost = [key for key in evidence.listed.may_spare if key in evidence.known]
    if verdict.action is REJECT and lost and (sparing := _sparing(evidence, lost)):
        return Verdict(action=TEMPFAIL, because=tuple([evidence.known[key] for key in sparing]))  # DNS gave no answer
    return verdict


def _sparing(evidence: Evidence, keys: Iterable[Key]) -> Sequence[Key]:
    """Return those questions whose answers may spare somebody the action."""
    relief, listed = evidence.rules.relief, evidence.listed.may_spare
    if not relief and not listed:
        return ()
    offered = {key: relief.get(key, NOTHING) | listed.get(key, NOTHING) for key in keys}

    def spares(offer: Spares) -> bool:
        return _strongest(evidence.known, evidence.rules, evidence.spared | offer)[0] < evidence.action

    return [key for key, offer in offered.items() if offer and spares(offer)]
