"""Asks the checks that take DNS, side by side, within one deadline, and remembers their answers."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import replace
from threading import BoundedSemaphore

from milter64.checks import REMOTE
from milter64.dns import Lookup, Resolver
from milter64.findings import Memory
from milter64.metrics import Tally
from milter64.policy import Evidence
from milter64.session import Envelope
from milter64.verdict import Finding, Findings, Key

_MOST_WAITING = 32
"""Verdicts that may wait for DNS at once, so that no flood holds every thread."""
_QUEUE = 0.5
"""Seconds that the next one waits for its turn: if DNS answers, a burst is judged; if it is silent, put off."""
_GRACE = 0.5
"""Seconds beyond the deadline for a check to put its answer together."""


class Inquiry:
    """The checks of one worker, with what is remembered of their answers; thread-safe."""

    def __init__(
        self,
        resolver: Resolver,
        on_fault: Callable[[str], None],
        on_wait: Callable[[], None],
        tally: Tally | None = None,
    ) -> None:
        """Ask `resolver`; `on_wait` is called before each wait.

        `on_fault` is called, while it is being handled, with where an exception of ours occurred.
        """
        self._resolver = resolver
        self._on_fault = on_fault
        self._on_wait = on_wait
        self._tally = tally
        self._memory = Memory()
        self._waiting = BoundedSemaphore(_MOST_WAITING)
        # A waiting verdict asks one question itself and leaves the others to the pool, whose tasks never submit to it.
        self._pool = ThreadPoolExecutor(_MOST_WAITING * (len(REMOTE) - 1), "dns")

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return how many findings are remembered and how many verdicts wait for DNS, and how many may."""
        waiting = _MOST_WAITING - self._waiting._value  # noqa: SLF001  a semaphore tells nobody else
        return {"findings": self._memory.bound, "waiting_verdicts": (waiting, _MOST_WAITING)}

    def recall(self, envelope: Envelope, keys: Collection[Key], *, expired: bool = False) -> tuple[Findings, float]:
        """Return what is remembered of the answers to some questions, with `expired` even of late, and until when."""
        recalled, until = self._memory.recall(envelope, keys, expired=expired)
        if self._tally:
            self._tally.recalled(len(recalled), len(keys))
        return recalled, until

    def recalled(self, evidence: Evidence) -> None:
        """Count findings that are as good as recalled: whoever needs them has kept them."""
        if self._tally:
            wanted = len(evidence.rules.asked)
            self._tally.recalled(wanted - len(evidence.unanswered), wanted)

    def ask(self, envelope: Envelope, keys: Sequence[Key], deadline: float) -> tuple[Findings, dict[Key, Lookup]]:
        """Ask all the questions at once, and return the findings and how they came about.

        `deadline` is a value of time.monotonic(); what isn't answered by then is a temperror.
        """
        lookups = {key: Lookup(self._resolver, deadline) for key in keys}
        self._on_wait()
        if not self._waiting.acquire(timeout=max(0.0, min(_QUEUE, deadline - time.monotonic()))):
            return {key: self._temperror(key, "too many messages wait for DNS") for key in keys}, lookups
        try:
            here, *elsewhere = keys
            tasks = [(key, self._pool.submit(self._check, envelope, key, lookups[key])) for key in elsewhere]
            findings = {here: self._check(envelope, here, lookups[here])}
            for key, task in tasks:
                try:
                    findings[key] = task.result(max(0.0, deadline - time.monotonic()) + _GRACE)
                except TookTooLong:
                    task.cancel()
                    findings[key] = self._temperror(key, "no answer in time")
        finally:
            self._waiting.release()
        return findings, lookups

    def ask_in_turn(self, envelope: Envelope, keys: Iterable[Key], deadline: float, lasting: float = 0.0) -> Findings:
        """Ask one question after the other, for those who have time, for answers that last longer than `lasting`."""
        return {key: self._check(envelope, key, Lookup(self._resolver, deadline, lasting)) for key in keys}

    def close(self) -> None:
        """Ask nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, envelope: Envelope, key: Key, lookup: Lookup) -> Finding:
        try:
            finding = REMOTE[key](envelope, lookup)
        except Exception as error:  # noqa: BLE001  our own fault is a temperror, whatever it is
            self._on_fault(f"{key[0]} {key[1]}")
            finding = self._temperror(key, f"our own fault ({type(error).__name__})")
        if finding.result == "fail" and _missed(lookup) and not self._resolver.alive(lookup.deadline):
            # SPF takes some questions without answer for no match (RFC 7208 5.5), but no fail may come of our outage.
            finding = self._temperror(key, "no nameserver answers")
        if finding.result == "temperror" and self._resolver.down:
            return replace(finding, facts=(*finding.facts, ("resolver", "down")))
        self._memory.remember(envelope, finding, lookup.ttl)
        return finding

    @staticmethod
    def _temperror(key: Key, reason: str) -> Finding:
        return Finding(check=key[0], property=key[1], result="temperror", reason=reason)


def _missed(lookup: Lookup) -> bool:
    return any(question.error for question in lookup.questions)
