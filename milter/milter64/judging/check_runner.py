"""Asks the checks that take DNS, side by side, within one deadline, and has their answers remembered.

Few verdicts may wait for DNS at once, and their places are shared fairly (see `fair_shares`). What we are too busy to
ask is our own trouble: it has no finding, so that nothing can be made of it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import suppress
from dataclasses import replace
from threading import Event, Lock

from milter64.checks.all_checks import REMOTE, Check
from milter64.dns.asked_together import Shared, Stuck, asked_together
from milter64.dns.lookup import Asking, Lookup, Wanted, asked_alone
from milter64.dns.public_suffixes import registered_domain
from milter64.dns.resolver import Resolver
from milter64.judging.remembered_findings import RememberedFindings
from milter64.limits.fair_shares import Claim, Turns
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope, split

_MOST_WAITING = 32
"""Verdicts that may wait for DNS at once, so that no flood holds every thread."""
_MOST_IN_LINE = 256
"""Verdicts that may wait for their turn; each has a thread of libmilter's."""
_PATIENCE = 2.0
"""Seconds that one waits for its turn: if DNS answers, a burst is judged; if it is silent, put off."""
_MOMENT = 0.3
"""Seconds that DNS is given where a late answer would do."""
_GRACE = 0.5
"""Seconds beyond the deadline for a check to put its answer together."""


class CheckRunner:
    """The checks of one worker; thread-safe."""

    def __init__(
        self,
        resolver: Resolver,
        findings: RememberedFindings,
        on_fault: Callable[[str], None],
        on_wait: Callable[[], None],
        *,
        checks: Mapping[Key, Check] = REMOTE,
    ) -> None:
        """Have `checks` ask `resolver`, and tell `findings` what was found; `on_wait` is called before each wait.

        `on_fault` is called, while it is being handled, with where an exception of ours occurred.
        """
        self._resolver = resolver
        self._findings = findings
        self._remote = checks
        self._on_fault = on_fault
        self._on_wait = on_wait
        self._lock = Lock()
        self._turns: Turns[_Verdict] = Turns(_MOST_WAITING, _MOST_IN_LINE)
        # All the questions of a verdict may wait for what others ask. The pool's tasks never submit to it.
        self._pool = ThreadPoolExecutor(_MOST_WAITING * len(checks), "dns")

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return how many verdicts wait for DNS or for their turn, and how many may."""
        return {"waiting_verdicts": self._turns.taken, "waiting_line": self._turns.line}

    def answers(  # noqa: PLR0913  how much would do is for the asker to say
        self,
        envelope: Envelope,
        keys: Sequence[Key],
        deadline: float,
        serves: Callable[[Finding], bool],
        *,
        at_once: bool,
        patient: bool = True,
    ) -> tuple[Findings, Mapping[Key, Lookup], Sequence[Key]]:
        """Return findings, how they came about, and which of them are late: they ran out within the last hour.

        Those that `serves` agrees to serve `at_once`, or if they are all that is wanted and DNS doesn't answer in a
        moment, or to whomever else it doesn't answer in time (as RFC 8767 has it for DNS). `at_once` any late finding
        will do where DNS has been asked and keeps silent: it is the last that was heard. For `patient`, see `ask`.
        """
        expired, _ = self._findings.recall(envelope, keys, expired=True)
        late = {key: finding for key, finding in expired.items() if serves(finding)}
        if not at_once and len(late) == len(keys):
            deadline = min(deadline, time.monotonic() + _MOMENT)
        asked = [key for key in keys if not (at_once and key in late)]
        findings, lookups = self.ask(envelope, asked, deadline, patient=patient) if asked else ({}, {})
        lost = [key for key, finding in findings.items() if finding.result == "temperror"]
        served = {key: late[key] for key in late if key not in findings or key in lost}
        if at_once:
            served |= {key: expired[key] for key in lost if key in expired}
        return {**findings, **served}, lookups, tuple(served)

    def ask(
        self, envelope: Envelope, keys: Sequence[Key], deadline: float, *, patient: bool = True
    ) -> tuple[Findings, dict[Key, Lookup]]:
        """Ask all the questions at once, and return the findings and how they came about.

        `deadline` is a value of time.monotonic(); what DNS has not answered by then is a temperror. A question that is
        in neither was not asked for want of a place or of a socket, or was not answered in time though DNS did: we are
        too busy. Who is not `patient` has a place at once or none.
        """
        verdict = _Verdict(envelope, keys, deadline, self._resolver)
        self._on_wait()
        if not self._gets_turn(verdict, min(_PATIENCE if patient else 0.0, deadline - time.monotonic())):
            return {}, {}
        answers = dict[Key, Finding | None]()
        tasks = dict[Key, Future[Finding | None]]()
        askings = {key: self._asking(envelope, key, verdict.lookups[key], verdict.generation) for key in keys}
        try:
            for key, result in asked_together(askings, verdict.shared):
                if not isinstance(result, Stuck):
                    answers[key] = result
                    self._done(verdict, [key])
                elif len(answers) + len(tasks) + 1 < len(keys):
                    tasks[key] = self._pool.submit(self._answer, verdict, key, askings[key], result.wanted)
                else:  # there is nothing else to do here
                    answers[key] = asked_alone(askings[key], verdict.shared, wanted=result.wanted)
        finally:
            self._done(verdict, [key for key in keys if key not in tasks])
        for key, task in tasks.items():
            with suppress(TookTooLong):  # it keeps its place until it is over
                answers[key] = task.result(max(0.0, deadline - time.monotonic()) + _GRACE)
        findings = {key: finding for key in keys if (finding := answers.get(key))}
        return findings, {key: verdict.lookups[key] for key in findings}

    def _gets_turn(self, claim: "_Verdict", seconds: float) -> bool:
        """Wait for a place, so many seconds at most."""
        with self._lock:
            if self._turns.take(claim):
                return True
            claim.called = Event()
            if seconds <= 0 or not self._turns.line_up(claim):
                return False
        claim.called.wait(seconds)
        with self._lock:
            return not self._turns.give_up(claim)

    def _answer(
        self, verdict: "_Verdict", key: Key, asking: Asking[Finding | None], wanted: Wanted | None
    ) -> Finding | None:
        """Have a check that is stuck wait here."""
        try:
            return asked_alone(asking, verdict.shared, wanted=wanted)
        finally:
            self._done(verdict, [key])

    def _done(self, claim: "_Verdict", keys: Iterable[Key]) -> None:
        """Free what a verdict has held for some questions: the place, with the last of them."""
        with self._lock:
            called: list[_Verdict] = []
            for key in keys:
                if domain := claim.open.pop(key, ""):
                    called += self._turns.answered(claim, domain)
            if not claim.open and not claim.left:
                claim.left = True
                called += self._turns.leave(claim)
        for each in called:
            each.called.set()

    def ask_in_turn(
        self,
        envelope: Envelope,
        keys: Iterable[Key],
        deadline: float,
        lasting: float = 0.0,
        *,
        answered: Callable[[str], None] = lambda _: None,
    ) -> Findings:
        """Ask one question after the other, for those who have time, for answers that last longer than `lasting`.

        `answered` is told the domain of each that has been asked: see `domains`.
        """
        findings = {}
        for key in keys:
            asking = self._asking(envelope, key, Lookup(deadline), self._resolver.generation)
            if finding := asked_alone(asking, self._resolver, lasting):
                findings[key] = finding
            if domain := _domain(envelope, key):
                answered(domain)
        return findings

    def close(self) -> None:
        """Ask nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _asking(self, envelope: Envelope, key: Key, lookup: Lookup, generation: int) -> Asking[Finding | None]:
        """Return a check's answer, None if it could not ask what it had to for want of our own means."""
        try:
            finding = yield from self._remote[key](envelope, lookup)
        except Exception as error:  # noqa: BLE001  our own fault is a temperror, whatever it is
            self._on_fault(f"{key[0]} {key[1]}")
            finding = self._temperror(key, f"our own fault ({type(error).__name__})")
        if lookup.out_of_means and finding.result != "pass":
            return None
        if finding.result == "fail" and _missed(lookup):
            # SPF takes some questions without answer for no match (RFC 7208 5.5), but no fail may come of our outage.
            yield None
            if not self._resolver.alive(lookup.deadline):
                finding = self._temperror(key, "no nameserver answers")
        if finding.result == "temperror" and self._resolver.down:
            return replace(finding, facts=(*finding.facts, ("resolver", "down")))
        whole = finding.result == "pass" or not _missed(lookup)  # an answer might have made it another
        if whole and generation == self._resolver.generation:
            self._findings.remember(envelope, finding, lookup.ttl, generation)
        return finding

    @staticmethod
    def _temperror(key: Key, reason: str) -> Finding:
        return Finding(check=key[0], property=key[1], result="temperror", reason=reason)


def _missed(lookup: Lookup) -> bool:
    return any(question.error for question in lookup.questions)


class _Verdict(Claim):
    """A verdict's claim to a place: `open` are its questions that were not answered yet, each with its domain.

    In the line, `called` is set when it gets its place; `left` says that it has given it back.
    """

    called: Event
    left = False

    def __init__(self, envelope: Envelope, keys: Sequence[Key], deadline: float, resolver: Resolver) -> None:
        self.generation = resolver.generation
        self.shared = Shared(resolver)
        self.lookups = {key: Lookup(deadline) for key in keys}
        self.open = {key: _domain(envelope, key) for key in keys}
        super().__init__(envelope.session.client, filter(None, self.open.values()))


def domains(envelope: Envelope, keys: Iterable[Key]) -> Iterator[str]:
    """Yield the domains that questions are about; more than once one that several are about."""
    return (domain for key in keys if (domain := _domain(envelope, key)))


def _domain(envelope: Envelope, key: Key) -> str:
    """Return the registered domain that a question is about, "" if it is about the client's address alone."""
    match key[1]:
        case "smtp.mailfrom":
            return registered_domain(split(envelope.identity)[1])
        case "smtp.helo":
            return registered_domain(envelope.session.helo or "")
        case _:
            return ""
