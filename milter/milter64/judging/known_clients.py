"""What is known at the beginning of a transaction, without asking; kept ready for those who come often."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sys import getsizeof

from milter64.checks.all_checks import LOCAL, LocalCheck
from milter64.judging.remembered_findings import RememberedFindings, Validity
from milter64.limits.bounded_cache import Cache
from milter64.limits.memory import USUAL
from milter64.lists.listed import NO_LISTS, Lists
from milter64.mail.finding import Key
from milter64.mail.session import Envelope
from milter64.policy.action_table import Policy
from milter64.policy.decision import Evidence, weigh
from milter64.telemetry.metrics import Tally

_LARGEST = 8192
"""Octets: twice what most take; of those about whom strangers have more to say nothing is kept."""
_LAST = 0.1
"""The part of its time, the last, in which an answer is renewed: unbound's, which itself then asks anew (prefetch)."""
_EARLY = 10.0
"""Seconds that this lasts at least, or half of the time if that is less."""
_RENEW_AGAIN = 5.0
"""Seconds after which a client's answers are renewed again, where that has changed nothing."""


class KnownClients:
    """Evidence of one worker's transactions by what it follows from; thread-safe."""

    def __init__(  # noqa: PLR0913  all that evidence comes from
        self,
        policy: Policy,
        own_names: frozenset[str],
        findings: RememberedFindings,
        renew: Callable[[Envelope, Sequence[Key], float], None],
        *,
        local: Sequence[LocalCheck] = LOCAL,
        lists: Lists = NO_LISTS,
        tally: Tally | None = None,
        capacity: int = USUAL.clients,
    ) -> None:
        """`own_names` are this server's, in lower case; `capacity` is in octets.

        `renew` is called for a client that comes while the answers about it are about to run out: with the questions,
        and the seconds that are left. It doesn't wait.
        """
        self._policy = policy
        self._own_names = own_names
        self._findings = findings
        self._local = local
        self._lists = lists
        self._renew = renew
        self._tally = tally
        self._kept: Cache[_Facts, _Kept] = Cache(capacity, _LARGEST, _weight)

    @property
    def bound(self) -> tuple[int, int]:
        """How much is kept, and how much may be, in octets."""
        return self._kept.weight, self._kept.capacity

    def evidence(self, envelope: Envelope) -> Evidence:
        """Return what is known of a transaction without asking anybody."""
        facts = _facts(envelope)
        kept = self._kept.get(facts)
        if kept and kept.edition == self._lists.edition and (left := self._findings.left(kept.validity)) > 0:
            evidence = kept.evidence
            if kept.renewed and left <= kept.renew_with_left:
                kept.renew_with_left = left - _RENEW_AGAIN
                self._renew(envelope, kept.renewed, left)
        else:
            evidence = self._gathered(facts, envelope)
        if self._tally and envelope.readable:
            relief = evidence.rules.relief  # of which it isn't known that it is wanted
            wanted = len(evidence.rules.asked) - len(relief)
            missing = [key for key in evidence.unanswered if key not in relief]
            self._tally.recalled(wanted - len(missing), wanted)
        return evidence

    def _gathered(self, facts: "_Facts", envelope: Envelope) -> Evidence:
        rules, edition = self._policy.rules(envelope.session.client), self._lists.edition
        said = [finding for check in self._local if (finding := check(envelope, self._own_names))]
        known = {finding.key: finding for finding in said}
        asked = rules.asked if envelope.readable else ()  # who can't be told has nobody's findings
        recalled, validity = self._findings.recall(envelope, [key for key in asked if key not in known])
        known |= recalled
        evidence = weigh(known, rules, listed=self._lists.of_sender(envelope, known))
        if recalled or not evidence.unanswered:  # who has never been asked about is nobody that we know
            left = self._findings.left(validity) if recalled else 0.0
            renew_with_left = max(left * _LAST, min(_EARLY, left / 2))
            kept = _Kept(
                evidence=evidence,
                renewed=tuple(key for key in recalled if key not in rules.relief or known[key] in evidence.because),
                validity=validity,
                edition=edition,
                renew_with_left=renew_with_left,
            )
            self._kept.put(facts, kept)
        return evidence


_Facts = tuple[str | bool | None, ...]


@dataclass(slots=True, kw_only=True)
class _Kept:
    """Evidence, and the questions whose answers are to be renewed when so few seconds are left.

    These are those that were recalled; of answers that may spare somebody, those that do.

    It is good for as long as `validity` says, and while the lists have the `edition`.
    """

    evidence: Evidence
    renewed: tuple[Key, ...]
    validity: Validity
    edition: int
    renew_with_left: float


_DECISION, _FINDING, _FACT = 350, 300, 120
"""Octets of a decision, of each finding in it and of each of a finding's facts, without what is said in them."""


def _weight(facts: _Facts, kept: _Kept) -> int:
    """Return about what it takes in memory, in less time than `octets`."""
    weight = _DECISION + getsizeof("".join([fact for fact in facts if isinstance(fact, str)]))
    for finding in kept.evidence.known.values():
        weight += _FINDING + getsizeof(finding.reason) + sum([_FACT + getsizeof(value) for _, value in finding.facts])
    return weight


def _facts(envelope: Envelope) -> _Facts:
    """Return all that evidence follows from."""
    session = envelope.session
    client = session.client
    return client.wire, client.origin, client.shared, session.helo, session.mta, envelope.sender, envelope.readable
