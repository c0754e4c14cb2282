"""The resolver of a worker that counts: what came of each question, and how long it took.

Where nobody wants the numbers, `dns.Resolver` itself serves, and knows nothing of this.
"""

from collections.abc import Callable, Mapping

from milter64.address.translator import Translator
from milter64.dns.lookup import Answer
from milter64.dns.nameserver import Nameserver
from milter64.dns.resolver import AnswerCache, Resolver, _Flight, _Key
from milter64.dns.settings import Settings
from milter64.dns.unanswered import TimedOut, Unanswered
from milter64.limits.memory import USUAL, Shares
from milter64.telemetry.metrics import Tally

OUTCOMES = ("cached", "joined", "answer", "nodata", "nxdomain", "timeout", "failure")
"""What can come of a question; "joined" is one that somebody else waits for already."""


class CountingResolver(Resolver):
    """A resolver that tells a tally; thread-safe."""

    def __init__(  # noqa: PLR0913  a resolver's, and the tally
        self,
        settings: Settings,
        translator: Translator,
        tally: Tally,
        *,
        on_breaker: Callable[[bool], None],
        on_plain: Callable[[Nameserver], None] = lambda _: None,
        memory: Shares = USUAL,
        answers: AnswerCache | None = None,
    ) -> None:
        """Be a resolver with these settings.

        Raises:
            ValueError: one of the nameservers can't be read.
        """
        super().__init__(settings, translator, on_breaker=on_breaker, on_plain=on_plain, memory=memory, answers=answers)
        self._asked = tally.asked

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return how much is in each cache, and how much may be, in octets."""
        return {"dns_cache": (self._cache.weight, self._cache.capacity), "dns_marks": self._nameservers.marks}

    def _cached(self, key: _Key, lasting: float) -> Answer | None:
        answer = super()._cached(key, lasting)
        if answer is not None:
            self._asked("cached", None)
        return answer

    def _join(self, flight: _Flight, deadline: float) -> Answer | Unanswered | None:
        self._asked("joined", None)
        return super()._join(flight, deadline)

    def _land(self, flight: _Flight, outcome: Answer | Unanswered) -> None:
        super()._land(flight, outcome)
        if isinstance(outcome, Answer):
            word = "answer" if outcome.values else "nodata" if outcome.exists else "nxdomain"
        else:
            word = "timeout" if isinstance(outcome, TimedOut) else "failure"
        self._asked(word, self._clock() - flight.began)
