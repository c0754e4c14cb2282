"""What is known at the beginning of a transaction, without asking; kept ready for those who come often."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from milter64.checks.all_checks import LOCAL
from milter64.judging.check_runner import Inquiry
from milter64.limits.bounded_cache import Cache, octets
from milter64.mail.finding import Key
from milter64.mail.session import Envelope
from milter64.policy.action_table import Policy
from milter64.policy.decision import Evidence, weigh

_CAPACITY = 8 * 2**20
"""Octets: some 2,000 transactions."""
_LARGEST = _CAPACITY // 1024
"""Twice what most take; of those about whom strangers have more to say nothing is kept."""
_LAST = 0.1
"""The part of its time, the last, in which an answer is renewed: unbound's, which itself then asks anew (prefetch)."""
_EARLY = 10.0
"""Seconds that this lasts at least, or half of the time if that is less."""
_RENEW_AGAIN = 5.0
"""Seconds after which a client's answers are renewed again, where that has changed nothing."""


class Familiar:
    """Evidence of one worker's transactions by what it follows from; thread-safe."""

    def __init__(
        self,
        policy: Policy,
        own_names: frozenset[str],
        inquiry: Inquiry,
        renew: Callable[[Envelope, Sequence[Key], float], None],
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`own_names` are this server's, in lower case.

        `renew` is called for a client that comes while the answers about it are about to run out: with the questions,
        and the seconds that are left. It doesn't wait.
        """
        self._policy = policy
        self._own_names = own_names
        self._inquiry = inquiry
        self._renew = renew
        self._clock = clock
        self._kept: Cache[_Facts, _Kept] = Cache(_CAPACITY, _LARGEST, _weight)

    @property
    def bound(self) -> tuple[int, int]:
        """How much is kept, and how much may be, in octets."""
        return self._kept.weight, self._kept.capacity

    def evidence(self, envelope: Envelope) -> Evidence:
        """Return what is known of a transaction without asking anybody."""
        facts, now = _facts(envelope), self._clock()
        kept = self._kept.get(facts)
        if kept and now < kept.until and kept.generation == self._inquiry.generation:
            self._inquiry.recalled(kept.evidence)
            if now >= kept.renew_at:
                kept.renew_at = now + _RENEW_AGAIN
                self._renew(envelope, kept.recalled, kept.until - now)
            return kept.evidence
        kept = self._gathered(envelope, now)
        if kept.recalled or not kept.evidence.unanswered:  # who has never been asked about is nobody that we know
            self._kept.put(facts, kept)
        return kept.evidence

    def forget(self, envelope: Envelope) -> None:
        """Gather anew next time: more has been found out."""
        self._kept.drop(_facts(envelope))

    def _gathered(self, envelope: Envelope, now: float) -> "_Kept":
        rules, generation = self._policy.rules(envelope.session.client), self._inquiry.generation
        said = [finding for check in LOCAL if (finding := check(envelope, self._own_names))]
        known = {finding.key: finding for finding in said}
        asked = rules.asked if envelope.readable else ()  # who can't be told has nobody's findings
        recalled, until = self._inquiry.recall(envelope, [key for key in asked if key not in known])
        evidence, left = weigh({**known, **recalled}, rules), until - now
        renew_at = until - max(left * _LAST, min(_EARLY, left / 2)) if recalled else inf
        return _Kept(evidence=evidence, recalled=tuple(recalled), until=until, renew_at=renew_at, generation=generation)


_Facts = tuple[str | bool | None, ...]


@dataclass(slots=True, kw_only=True)
class _Kept:
    """Evidence that is good until a time, and the questions of which answers were recalled, to be renewed before.

    `generation` is that of the answers behind it.
    """

    evidence: Evidence
    recalled: tuple[Key, ...]
    until: float
    renew_at: float
    generation: int


def _weight(facts: _Facts, kept: _Kept) -> int:
    return octets(facts) + octets(kept.evidence.known)


def _facts(envelope: Envelope) -> _Facts:
    """Return all that evidence follows from."""
    session = envelope.session
    return session.client.wire, session.client.origin, session.helo, session.mta, envelope.sender, envelope.readable
