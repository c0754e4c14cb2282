"""What is known at the beginning of a transaction, without asking; kept ready for those who come often."""

from collections.abc import Callable
from math import inf
from threading import Lock
from time import monotonic

from milter64.checks import LOCAL
from milter64.inquiry import Inquiry
from milter64.policy import Evidence, Policy, weigh
from milter64.session import Envelope

_CAP = 8192


class Familiar:
    """Evidence of one worker's transactions by what it follows from; thread-safe."""

    def __init__(
        self,
        policy: Policy,
        own_names: frozenset[str],
        inquiry: Inquiry,
        *,
        cap: int = _CAP,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Keep `cap` of them at most; the oldest go first. `own_names` are this server's, in lower case."""
        self._policy = policy
        self._own_names = own_names
        self._inquiry = inquiry
        self._cap = cap
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[tuple[str | None, ...], tuple[float, Evidence]] = {}

    @property
    def bound(self) -> tuple[int, int]:
        """How much is kept, and how much may be."""
        return len(self._kept), self._cap

    def evidence(self, envelope: Envelope) -> Evidence:
        """Return what is known of a transaction without asking anybody."""
        facts = _facts(envelope)
        kept = self._kept.get(facts)
        if kept and kept[0] > self._clock():
            evidence = kept[1]
            self._inquiry.recalled(evidence)
            return evidence
        evidence, until = self._gathered(envelope)
        if until < inf or not evidence.unanswered:  # who has never been asked about is nobody that we know
            with self._lock:
                self._kept.pop(facts, None)
                if len(self._kept) >= self._cap:
                    del self._kept[next(iter(self._kept))]
                self._kept[facts] = until, evidence
        return evidence

    def forget(self, envelope: Envelope) -> None:
        """Gather anew next time: more has been found out."""
        with self._lock:
            self._kept.pop(_facts(envelope), None)

    def _gathered(self, envelope: Envelope) -> tuple[Evidence, float]:
        """Return what is known, and until when."""
        rules = self._policy.rules(envelope.session.client)
        said = [finding for check in LOCAL if (finding := check(envelope, self._own_names))]
        known = {finding.key: finding for finding in said}
        recalled, until = self._inquiry.recall(envelope, weigh(known, rules).unanswered)
        return weigh({**known, **recalled}, rules), until


def _facts(envelope: Envelope) -> tuple[str | None, ...]:
    """Return all that evidence follows from."""
    session = envelope.session
    return session.client.wire, session.client.origin, session.helo, session.mta, envelope.sender
