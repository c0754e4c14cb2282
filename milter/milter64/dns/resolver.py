"""DNS for the checks: a cache before nameservers, in which questions in flight are joined, and a deadline for each.

A question is answered, or `Unanswered` within its deadline; there is no third way. Answers are cached as long as their
TTL allows, the negative ones too (RFC 2308), for all workers; failures are not. AAAA records inside a translation
prefix are DNS64's invention (RFC 6147) and are dropped, so that no check takes a translator for a host. No search list
is ever applied.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import dns.rcode

from milter64.address.translator import Translator
from milter64.dns.lookup import Answer
from milter64.dns.nameserver import Nameserver
from milter64.dns.nameservers import Nameservers
from milter64.dns.query import nameservers
from milter64.dns.settings import Settings
from milter64.dns.side_by_side import Course, side_by_side
from milter64.dns.unanswered import Unanswered
from milter64.dns.wire_name import to_text, to_wire
from milter64.limits.memory import USUAL, Shares
from milter64.limits.shared_cache import SharedCache
from milter64.mail.idna_domain import ascii_domain

LONGEST_TTL = 3600
SHORTEST_TTL = 1
"""Seconds for which an answer is cached at most, and at least: all questions of one verdict see the same DNS."""
LONGEST_CHAIN = 10
"""CNAME records that are followed from one name."""
_LARGEST = 16_384
"""Octets that an answer in the cache may take: strangers' zones fill it."""
_BROKE_DOWN = Unanswered("broke down")


_Question = tuple[str, str]
"""A name and a type."""
_Key = tuple[int, str, str]
"""A generation, a name and a type."""
AnswerCache = SharedCache[_Key, tuple[float, bool, tuple[Any, ...], str]]
"""Until when an answer is good, and all of it but its TTL."""


def answer_cache(capacity: int = USUAL.answers) -> AnswerCache:
    """Return room for so many octets of answers, made before the workers are forked that share it.

    Raises:
        OSError: the system has none.
    """
    return SharedCache(capacity, _LARGEST)


@dataclass(slots=True, eq=False, kw_only=True)
class _Flight:
    """A question that somebody waits for; whoever asks the same waits with them."""

    key: _Key
    began: float
    deadline: float
    under_way: Lock = field(default_factory=Lock)
    """Held until it has landed: made for every question, of which few are joined, it is cheaper than an event."""
    outcome: Answer | Unanswered = _BROKE_DOWN
    cut_short: bool = False
    """The asker had no more time: one who has may ask again."""


class Resolver:
    """A caching stub resolver; thread-safe.

    `on_breaker` is told True when no nameserver has answered anything for five seconds, and False when one answers
    again; in between every question that the cache can't answer is `Unanswered` at once. `on_plain` is told of each
    nameserver once that has no EDNS.
    """

    def __init__(  # noqa: PLR0913  who is told what, and the bound
        self,
        settings: Settings,
        translator: Translator,
        *,
        on_breaker: Callable[[bool], None] = lambda _: None,
        on_plain: Callable[[Nameserver], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        memory: Shares = USUAL,
        answers: AnswerCache | None = None,
    ) -> None:
        """Read resolv.conf if the settings name no nameserver.

        `memory` bounds what is kept; `answers` are where other workers keep them too, if there are any. `clock` is one
        for all of them.

        Raises:
            ValueError: one of the nameservers can't be read.
        """
        self._nameservers = Nameservers(
            nameservers(settings.nameservers),
            settings.timeout,
            on_breaker=on_breaker,
            on_plain=on_plain,
            clock=clock,
            capacity=memory.marks,
        )
        self._translator = translator
        self._clock = clock
        self._lock = Lock()
        self._cache = answers or answer_cache(memory.answers)
        self._flights: dict[_Key, _Flight] = {}

    @property
    def generation(self) -> int:
        """Changes with what is known of DNS64s: what was made of the answers of another one counts for nothing."""
        return self._translator.knowledge

    @property
    def down(self) -> bool:
        """Whether the breaker is open: no nameserver answers anything."""
        return self._nameservers.down

    def alive(self, deadline: float) -> bool:
        """Whether a nameserver answers anything now; it is known within a second, and before `deadline`."""
        return self._nameservers.answer_at_all(deadline)

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return what DNS says about a name: A, AAAA, CNAME, MX, NS, PTR, SPF or TXT records.

        A name that can't be one in DNS (over-long, an empty label) does not exist. U-labels become A-labels. What
        the cache has for no more than `lasting` seconds is asked anew; it goes on to serve others.

        Raises:
            Unanswered: there is no usable answer before `deadline`, a value of the clock.
        """
        ((_, found),) = self._outcomes({(name, rdtype): deadline}, lasting)
        outcome = self._join(found, deadline) if isinstance(found, _Flight) else found
        if isinstance(outcome, Unanswered):
            raise outcome.anew()
        return outcome or self.ask(name, rdtype, deadline, lasting)

    def ask_all(self, questions: dict[_Question, float]) -> Iterator[tuple[_Question, Answer | Unanswered | None]]:
        """Take questions, those too that are added on the way, and yield what `ask` returns or raises, as it comes.

        They are asked at once, each until its deadline. None says that somebody else waits for the answer already, who
        may be joined.
        """
        for question, outcome in self._outcomes(questions):
            yield question, None if isinstance(outcome, _Flight) else outcome

    def _outcomes(
        self, questions: dict[_Question, float], lasting: float = 0.0
    ) -> Iterator[tuple[_Question, Answer | Unanswered | _Flight]]:
        """Do so; yield a flight where somebody else waits for the answer already."""
        ours: dict[_Flight, _Question] = {}
        courses: dict[_Flight, Course[Answer | Unanswered]] = {}
        try:
            while questions:
                yield from self._begin(questions, lasting, ours, courses)
                for flight, outcome in side_by_side(courses):
                    self._land(flight, outcome)
                    yield ours.pop(flight), outcome
                    yield from self._begin(questions, lasting, ours, courses)
        finally:
            for flight in ours:
                self._land(flight, _BROKE_DOWN)

    def _begin(
        self,
        questions: dict[_Question, float],
        lasting: float,
        ours: dict[_Flight, _Question],
        courses: dict[_Flight, Course[Answer | Unanswered]],
    ) -> Iterator[tuple[_Question, Answer | _Flight]]:
        """Take questions; yield the answers that are there, and the flights that are under way. Begin the others."""
        while questions:
            began, there = self._clock(), list[tuple[_Question, Answer | _Flight]]()
            with self._lock:
                generation = self.generation
                for question, deadline in questions.items():
                    key = generation, ascii_domain(question[0]), question[1]
                    if outcome := self._cached(key, lasting) or self._flights.get(key):
                        there.append((question, outcome))
                    else:
                        flight = self._flights[key] = _Flight(key=key, began=began, deadline=deadline)
                        flight.under_way.acquire()
                        ours[flight], courses[flight] = question, self._fly(flight)
            questions.clear()
            yield from there

    def _fly(self, flight: _Flight) -> Course[Answer | Unanswered]:
        """Ask for oneself and for all who join."""
        try:
            return (yield from self._resolve(*flight.key[1:], flight.deadline))
        except Unanswered as error:
            return error.with_traceback(None)  # whose frames know the way to it, and to whoever asked

    def _cached(self, key: _Key, lasting: float) -> Answer | None:
        if (entry := self._cache.get(key)) is None:
            return None
        until, exists, values, name = entry
        left = until - self._clock()
        return Answer(exists=exists, values=values, ttl=int(left), name=name) if left > max(lasting, 0.0) else None

    def _land(self, flight: _Flight, outcome: Answer | Unanswered) -> None:
        """Have a flight's answer in the cache, and let go on who waits for it."""
        now, flight.outcome = self._clock(), outcome
        flight.cut_short = now >= flight.deadline
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
                if isinstance(outcome, Answer) and flight.key[0] == self.generation:
                    self._cache.put(flight.key, (now + outcome.ttl, outcome.exists, outcome.values, outcome.name))
        flight.under_way.release()

    def _join(self, flight: _Flight, deadline: float) -> Answer | Unanswered | None:
        """Return what another waits for, None if they gave up for lack of time and there is some left."""
        if not flight.under_way.acquire(timeout=max(0.0, deadline - self._clock())):
            return Unanswered("no answer in time")
        flight.under_way.release()  # to the next who has joined
        if isinstance(failure := flight.outcome, Answer):
            return failure
        if flight.cut_short and self._clock() < deadline:
            return None
        return failure.anew()

    def _resolve(self, name: str, rdtype: str, deadline: float) -> Course[Answer]:
        """Ask the nameservers, and ask on where a response ends in the middle of a CNAME chain."""
        if (owner := to_wire(name)) is None:
            return Answer(exists=False, values=(), ttl=LONGEST_TTL, name=name)
        links, ttl, finished = 0, LONGEST_TTL, False
        while not finished:
            response = yield from self._nameservers.exchange(owner, rdtype, deadline)
            links += response.links
            if response.contradiction or links > LONGEST_CHAIN:
                raise Unanswered(response.contradiction or "too many CNAME records")
            owner, exists = response.name.lower(), response.rcode == dns.rcode.NOERROR
            settled = bool(response.answer) or response.denied
            finished = settled or not exists or not response.links
            ttl = min(ttl, response.ttl) if settled or not finished else SHORTEST_TTL  # RFC 2308 5
        values = response.answer
        if rdtype == "AAAA":
            values = tuple(address for address in values if not self._translator.synthesised(address))
        return Answer(exists=exists, values=values, ttl=max(ttl, SHORTEST_TTL), name=to_text(response.name))
