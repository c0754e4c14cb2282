"""Whether a DNS list can be believed: it lists what it must, nothing that it must not, and it answers (RFC 5782 5).

A list that goes out of business may list everybody from one moment to the next, and a look once an hour would come too
late for the mails between. So each answer by which a list has somebody counts only after a name was found not listed
that nobody can have asked for before, and that was asked for after the answer had come.

A list that keeps silent, or refuses, is soon not asked any more, and so delays nobody. Looks at it are taken behind
everything, and only as long as there are questions to it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from threading import Condition, Thread
from typing import Protocol

import dns.rcode

from milter64.address.frozen_dataclass import frozen
from milter64.checks.dns_list_kinds import Kind
from milter64.checks.dns_list_settings import wrong_answer
from milter64.dns.lookup import Answer, Asking
from milter64.dns.unanswered import OutOfMeans, TimedOut, Unanswered

LOOK_EVERY = 3600.0
"""Seconds from one look at a list to the next: for as long as an answer of a list gone bad may be cached."""
PROBE_EVERY = 10.0
"""Seconds from one look to the next at a list that doesn't answer."""
MOST_FAILURES = 3
"""Questions in a row without a usable answer, after which a list is not asked till a look at it was answered."""
_PATIENCE = 2.5
"""Tries, of the longest that one may take, that a look has for a question, unless the list has failed already."""


class Nameservice(Protocol):
    """A `Resolver`, or what a test puts in its place."""

    @property
    def down(self) -> bool:
        """Whether no nameserver answers anything."""

    def alive(self, deadline: float) -> bool:
        """Whether a nameserver answers anything now."""

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return the answer, or raise Unanswered."""


@frozen
class Trouble:
    """Why a list counts for nothing, the result that says so, and in how many seconds it is looked at again."""

    result: str
    reason: str
    lasts: float = PROBE_EVERY


_UNSEEN = Trouble(result="temperror", reason="the first look at it has not been answered yet", lasts=0.0)
_UNSURE = Trouble(result="temperror", reason="it fails, and is being looked at", lasts=0.0)
_SLOW = Trouble(result="temperror", reason="it could not be made sure of in time", lasts=0.0)


Ask = Callable[[str], tuple[str, ...]]
"""Returns the A records of what has some labels before a list's zone, or raises Unanswered."""


def unanswered(error: Unanswered) -> Trouble:
    """Return what a question without a usable answer means (RFC 8904 2)."""
    refused = str(error).startswith(dns.rcode.to_text(dns.rcode.REFUSED))
    return Trouble(result="permerror" if refused else "temperror", reason=str(error))


def thrice(ask: Ask) -> Ask:
    """Return what asks again where a nameserver is out of order, as another one may not be."""

    def patiently(label: str) -> tuple[str, ...]:
        for _ in range(MOST_FAILURES - 1):
            try:
                return ask(label)
            except (TimedOut, OutOfMeans):  # another try would take its time, too
                raise
            except Unanswered:
                pass
        return ask(label)

    return patiently


def defect(ask: Ask, kind: Kind) -> Trouble | None:
    """Return what is wrong with what a list answers.

    What is fresh comes first: a name that was not answered about is not asked for again so soon.

    Raises:
        Unanswered: it doesn't answer.
    """
    wrong = fresh_answer(ask, kind)
    if not wrong:
        listed = next(filter(None, map(ask, kind.listed)), ())
        unlisted = ask(kind.unlisted)
        wrong = wrong_answer(listed) or wrong_answer(unlisted)
        if not wrong and unlisted:
            wrong = f"it lists {kind.tests[1]}"
        elif not wrong and not listed and kind.optional:
            return Trouble(result="none", reason=f"it has no {kind.name}", lasts=LOOK_EVERY)
        elif not wrong and not listed:
            wrong = f"it doesn't list {kind.tests[0]}"
    return Trouble(result="permerror", reason=wrong, lasts=LOOK_EVERY) if wrong else None


def fresh_answer(ask: Ask, kind: Kind) -> str:
    """Say what is wrong with the answers about names that nobody can have asked for, "" if nothing is."""
    for label in kind.fresh():
        if values := ask(label):
            return wrong_answer(values) or f"it lists whatever it is asked about: {', '.join(values)}"
    return ""


class Health:
    """Of one list, as far as it has entries of one kind; thread-safe."""

    def __init__(  # noqa: PLR0913, PLR0917  whom to ask what, and whom to tell
        self,
        zone: str,
        kind: Kind,
        resolver: Nameservice,
        timeout: float,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `resolver`. `timeout` is the longest that a try may take, in seconds.

        `report` is told why the list counts for nothing, once or, where it lists what it must not, once an hour; and ""
        when it counts again. `clock` says when it is to be looked at; deadlines are values of time.monotonic().
        """
        self._zone = zone
        self._kind = kind
        self._resolver = resolver
        self._timeout = timeout
        self._report = report
        self._clock = clock
        self._changed = Condition()  # for all that follows
        self._trouble: Trouble | None = _UNSEEN
        self._told = False
        self._failures = 0
        self._look_at = -inf
        self._looking = False
        self._probing = False
        self._clean = -inf
        """When the last probe that found nothing listed was begun."""

    def admit(self, until: float) -> Asking[Trouble | None]:
        """Return why the list is not to be asked now, if so.

        A look that tells is waited for, `until` then: by names about which a list fails nobody gets around it.
        """
        if self._trouble is None and self._clock() < self._look_at:  # nearly always, and it takes no lock
            return None
        with self._changed:
            if self._clock() >= self._look_at:
                self._look()
            if self._seen():
                return self._trouble
        yield None
        with self._changed:
            self._changed.wait_for(self._seen, until - time.monotonic())
            return self._trouble

    def answered(self) -> None:
        """Note that a question was answered."""
        self._failures = 0

    def failed(self, error: Unanswered) -> Trouble:
        """Note that a question that had its time was not, if that is the list's fault; return what it means."""
        if not self._resolver.down and not isinstance(error, OutOfMeans):
            with self._changed:
                self._failures += 1
                if self._failures >= MOST_FAILURES and self._trouble is None:
                    # It may be the names that strangers have chosen: one of ours tells.
                    self._trouble = _UNSURE
                    self._look()
        return unanswered(error)

    def doubt(self, why: str) -> Trouble:
        """Have the list looked at for such an answer about a name that a stranger has chosen; return what it means.

        There may be such a name in the zone that is no entry, as that of a nameserver: it alone counts for nothing.
        """
        with self._changed:
            self._look()
        return Trouble(result="permerror", reason=why)

    def condemn(self, why: str) -> Trouble:
        """Note an answer that no list gives which works; return what it means."""
        with self._changed:
            known = self._trouble
            if known and known.lasts == LOOK_EVERY:
                return known
            trouble = self._trouble = Trouble(result="permerror", reason=why, lasts=LOOK_EVERY)
            self._look_at = self._clock() + LOOK_EVERY
            self._changed.notify_all()
        self._tell(trouble)
        return trouble

    def confirm(self, until: float) -> Asking[Trouble | None]:
        """Return why an answer that has just come, and by which the list has somebody, doesn't count, if so.

        Whoever comes while a probe is under way shares the next one with all others who do.
        """
        yield None
        came = time.monotonic()
        with self._changed:
            while self._trouble is None and self._clean < came and self._probing:
                if not self._changed.wait(until - time.monotonic()):
                    return _SLOW
            if self._trouble or self._clean >= came:
                return self._trouble
            self._probing = True
        began = time.monotonic()
        trouble: Trouble | None = _SLOW
        try:
            trouble = self._probe(until)
        finally:
            with self._changed:
                self._probing = False
                if trouble is None:
                    self._clean = began
                self._changed.notify_all()
        return trouble

    def _seen(self) -> bool:
        return self._trouble not in (_UNSEEN, _UNSURE) or not self._looking

    def _probe(self, until: float) -> Trouble | None:
        try:
            wrong = fresh_answer(lambda label: self._values(label, until), self._kind)
        except Unanswered as error:
            return self.failed(error)
        return self.condemn(wrong) if wrong else None

    def _values(self, label: str, until: float) -> tuple[str, ...]:
        return thrice(lambda label: self._resolver.ask(f"{label}.{self._zone}", "A", until, inf).values)(label)

    def _look(self) -> None:
        """Have the list looked at, behind everything, if nobody does so yet; to be called with the lock."""
        if self._looking:
            return
        self._looking, self._look_at = True, inf
        try:
            Thread(target=self._examine, args=(self._trouble,), name="dns-list", daemon=True).start()
        except RuntimeError:  # there are too many threads
            self._looking, self._look_at = False, self._clock() + PROBE_EVERY

    def _examine(self, before: Trouble | None) -> None:
        """Look at the list; what is found counts unless somebody has found more meanwhile."""
        found, seconds = before, PROBE_EVERY
        try:
            found, seconds = self._found(before)
        finally:
            with self._changed:
                self._looking = False
                if counts := self._trouble is before or self._trouble is _UNSURE:
                    self._trouble, self._look_at = found, self._clock() + seconds
                self._changed.notify_all()
        if counts and found is not before:
            self._tell(found)

    def _found(self, before: Trouble | None) -> tuple[Trouble | None, float]:
        """Return what is wrong with the list, and in how many seconds it is to be looked at again."""
        try:
            tries = 1.0 if before is _UNSURE else _PATIENCE
            found = defect(lambda label: self._values(label, time.monotonic() + tries * self._timeout), self._kind)
        except Unanswered as error:
            if isinstance(error, OutOfMeans) or not self._resolver.alive(time.monotonic() + self._timeout):
                return (None if before is _UNSURE else before), PROBE_EVERY
            self._failures += 1
            if before is None and self._failures < MOST_FAILURES:
                return None, PROBE_EVERY
            return unanswered(error), PROBE_EVERY
        self._failures = 0
        return found, found.lasts if found else LOOK_EVERY

    def _tell(self, trouble: Trouble | None) -> None:
        """Report what is wrong, if that is to be said hourly or is news, or that nothing is any more."""
        wrong = trouble if trouble and trouble.result != "none" else None
        with self._changed:
            news = (wrong.lasts == LOOK_EVERY or not self._told) if wrong else self._told
            self._told = wrong is not None
        if news:
            with suppress(Exception):  # a line that can't be logged
                self._report(wrong.reason if wrong else "")
