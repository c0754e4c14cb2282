"""DNS for the checks: a cache before nameservers, in which questions in flight are joined, and a deadline for each.

A question is answered, or `Unanswered` within its deadline; there is no third way. Answers are cached as long as their
TTL allows, the negative ones too (RFC 2308); failures are not. AAAA records inside a translation prefix are DNS64's
invention (RFC 6147) and are dropped, so that no check takes a translator for a host. No search list is ever applied.
"""

import re
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Protocol

import dns.exception
import dns.name
import dns.rcode

from milter64.address.translator import Translator
from milter64.dns.nameservers import Nameservers, OutOfMeans, Unanswered
from milter64.dns.query import Nameserver, nameservers
from milter64.limits.bounded_cache import Cache, octets
from milter64.mail.frozen_dataclass import frozen
from milter64.mail.idna_domain import ascii_domain

LONGEST_TTL = 3600
SHORTEST_TTL = 1
"""Seconds for which an answer is cached at most, and at least: all questions of one verdict see the same DNS."""
LONGEST_CHAIN = 10
"""CNAME records that are followed from one name."""
_CAPACITY = 12 * 2**20
_LARGEST = 16_384
"""Octets that the cache may take, and an answer in it: strangers' zones fill it."""
_ANSWER = 400  # octets of an answer in the cache without its values and names
_MOST_TOLD, _OTHER = 16_384, 64
"""Octets of answers that are kept with the questions, as long as the transaction lasts; what a value has but a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The section `[dns]`.

    Each of `nameservers` is as `exchange.nameserver` reads it; with none, those of /etc/resolv.conf are asked.
    `timeout` is the longest that one try may take and `deadline` the longest for a verdict, in seconds.
    """

    nameservers: tuple[str, ...] = ()
    timeout: float = 2.0
    deadline: float = 8.0


@frozen
class Answer:
    """What DNS says about a name.

    `values` by type: A and AAAA, addresses in canonical text; PTR, NS and CNAME, names without final dot; MX,
    (preference, name); TXT and SPF, bytes, a record's strings joined. It is empty for NXDOMAIN, when `exists` is false,
    and for NODATA. `ttl` is in seconds from now. `name` is the owner of the values, after CNAMEs. Names are in DNS's
    presentation format, whose escapes keep them printable ASCII.
    """

    exists: bool
    values: tuple[Any, ...]
    ttl: int
    name: str


class Asker(Protocol):
    """Who answers questions: a `Resolver`, or what a test puts in its place."""

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return the answer, or raise Unanswered before `deadline`, a time.monotonic() value.

        None that is remembered and has no more than `lasting` seconds to live will do.
        """


@frozen
class Question:
    """A question as it went: with its answer or, if there is none, the error; in `seconds`."""

    name: str
    rdtype: str
    answer: Answer | None
    error: str
    seconds: float


class Lookup:
    """One check's door to DNS within one verdict; for one thread.

    `deadline` is a time.monotonic() value. `ttl` is the shortest TTL of all answers, None before the first. `questions`
    are all that were asked, in order; what answers hold beyond `_MOST_TOLD` in all is left out of them. `out_of_means`
    says that one could not be, for want of a socket, say.
    """

    def __init__(self, resolver: Asker, deadline: float, lasting: float = 0.0) -> None:
        """Ask `resolver`, for answers that are `lasting` seconds longer than now."""
        self._resolver = resolver
        self._lasting = lasting
        self.deadline = deadline
        self.ttl: int | None = None
        self.questions: list[Question] = []
        self._told = 0
        self.out_of_means = False

    def ask(self, name: str, rdtype: str, until: float | None = None, shown: str = "") -> Answer:
        """Return what DNS says about a name; in `questions` it is called `shown`, if there is a secret in it.

        Raises:
            Unanswered: there is no usable answer before the deadline, or before `until` if that is earlier.
        """
        began = time.monotonic()
        answer, error = None, ""
        try:
            answer = self._resolver.ask(name, rdtype, min(self.deadline, until or self.deadline), self._lasting)
        except Unanswered as unanswered:
            self.out_of_means = self.out_of_means or isinstance(unanswered, OutOfMeans)
            error = unanswered.in_full
            raise
        finally:
            seconds = time.monotonic() - began
            told = self._cut(answer, shown) if answer else None
            called = shown or name
            self.questions.append(Question(name=called, rdtype=rdtype, answer=told, error=error, seconds=seconds))
        self.ttl = answer.ttl if self.ttl is None else min(self.ttl, answer.ttl)
        return answer

    def _cut(self, answer: Answer, shown: str) -> Answer:
        """Return an answer as it is told of, to a question that is `shown` as another."""
        self._told += sum([len(value) if isinstance(value, bytes) else _OTHER for value in answer.values])
        values = answer.values if self._told <= _MOST_TOLD else ()
        return replace(answer, name=shown or answer.name, values=values)


@dataclass(slots=True, kw_only=True)
class _Flight:
    """A question that somebody waits for; whoever asks the same waits with them."""

    under_way: Lock = field(default_factory=Lock)
    """Held until it has landed: made for every question, of which few are joined, it is cheaper than an event."""
    answer: Answer | None = None
    failure: Unanswered | None = None
    cut_short: bool = False
    """The asker had no more time: one who has may ask again."""


_PLAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")  # a name without escapes
_Key = tuple[str, str]


class Resolver:
    """A caching stub resolver; thread-safe.

    `on_breaker` is told True when no nameserver has answered anything for five seconds, and False when one answers
    again; in between every question that the cache can't answer is `Unanswered` at once. `on_plain` is told of each
    nameserver once that has no EDNS.
    """

    def __init__(
        self,
        settings: Settings,
        translator: Translator,
        *,
        on_breaker: Callable[[bool], None] = lambda _: None,
        on_plain: Callable[[Nameserver], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read resolv.conf if the settings name no nameserver.

        Raises:
            ValueError: one of the nameservers can't be read.
        """
        self._nameservers = Nameservers(
            nameservers(settings.nameservers), settings.timeout, on_breaker=on_breaker, on_plain=on_plain, clock=clock
        )
        self._synthesised = translator.synthesised
        self._clock = clock
        self._lock = Lock()
        self._cache: Cache[_Key, tuple[float, Answer]] = Cache(_CAPACITY, _LARGEST, _weight)
        self._flights: dict[_Key, _Flight] = {}
        self.generation = 0
        """How often all was to be forgotten: what was made of the answers of an earlier one counts for nothing."""

    @property
    def down(self) -> bool:
        """Whether the breaker is open: no nameserver answers anything."""
        return self._nameservers.down

    def alive(self, deadline: float) -> bool:
        """Whether a nameserver answers anything now; it is known within a second, and before `deadline`."""
        return self._nameservers.answer_at_all(deadline)

    def forget(self) -> None:
        """Empty the cache, as when more is known of what DNS64 invents; what is being asked will not get into it."""
        with self._lock:
            self.generation += 1
            self._cache.clear()
            self._flights.clear()

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return what DNS says about a name: A, AAAA, CNAME, MX, NS, PTR, SPF or TXT records.

        A name that can't be one in DNS (over-long, an empty label) does not exist. U-labels become A-labels. What
        the cache has for no more than `lasting` seconds is asked anew; it goes on to serve others.

        Raises:
            Unanswered: there is no usable answer before `deadline`, a value of the clock.
        """
        key = ascii_domain(name), rdtype
        while True:
            with self._lock:
                if (answer := self._cached(key, lasting)) is not None:
                    return answer
                if leads := (flight := self._flights.get(key)) is None:
                    flight = self._flights[key] = _Flight()
                    flight.under_way.acquire()
            assert flight is not None
            if leads:
                return self._fly(flight, key, deadline)
            if (answer := self._join(flight, deadline)) is not None:
                return answer

    def _cached(self, key: _Key, lasting: float) -> Answer | None:
        if (entry := self._cache.get(key)) is None:
            return None
        expires, answer = entry
        if (left := expires - self._clock()) <= lasting:
            if left <= 0:
                self._cache.drop(key)
            return None
        return Answer(exists=answer.exists, values=answer.values, ttl=int(left), name=answer.name)

    def _fly(self, flight: _Flight, key: _Key, deadline: float) -> Answer:
        """Ask for oneself and for all who join."""
        try:
            flight.answer = self._resolve(*key, deadline)
        except Unanswered as error:
            flight.failure, flight.cut_short = error, self._clock() >= deadline
            raise
        finally:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                    if flight.answer is not None:
                        self._cache.put(key, (self._clock() + flight.answer.ttl, flight.answer))
            flight.under_way.release()
        return flight.answer

    def _join(self, flight: _Flight, deadline: float) -> Answer | None:
        """Return the answer that another waits for, None if they gave up for lack of time and there is some left."""
        if not flight.under_way.acquire(timeout=max(0.0, deadline - self._clock())):
            raise Unanswered("no answer in time")
        flight.under_way.release()  # to the next who has joined
        if flight.answer is None and not (flight.cut_short and self._clock() < deadline):
            failure = flight.failure or Unanswered("broke down")
            raise type(failure)(str(failure), failure.server)  # an exception is its raiser's own
        return flight.answer

    def _resolve(self, name: str, rdtype: str, deadline: float) -> Answer:
        """Ask the nameservers, and ask on where a response ends in the middle of a CNAME chain."""
        if (owner := _parsed(name)) is None:
            return Answer(exists=False, values=(), ttl=LONGEST_TTL, name=name)
        links, ttl, finished = 0, LONGEST_TTL, False
        while not finished:
            response = self._nameservers.exchange(owner, rdtype, deadline)
            links += response.links
            if response.contradiction or links > LONGEST_CHAIN:
                raise Unanswered(response.contradiction or "too many CNAME records")
            owner, exists = response.name, response.rcode == dns.rcode.NOERROR
            settled = bool(response.answer) or response.denied
            finished = settled or not exists or not response.links
            ttl = min(ttl, response.ttl) if settled or not finished else SHORTEST_TTL  # RFC 2308 5
        values = response.answer
        if rdtype == "AAAA":
            values = tuple(address for address in values if not self._synthesised(address))
        return Answer(exists=exists, values=values, ttl=max(ttl, SHORTEST_TTL), name=_text(owner))


def _weight(key: _Key, entry: tuple[float, Answer]) -> int:
    """Return about what `octets` would, in less time."""
    _, answer = entry
    return _ANSWER + len(key[0]) + len(answer.name) + octets(answer.values)


def _parsed(name: str) -> dns.name.Name | None:
    """Return a name, whose final dot is gone, for DNS; None if it can't be one."""
    if name in ("", "@") or name.endswith("."):  # dnspython's words for the root; an empty label
        return None
    try:
        if _PLAIN.fullmatch(name):
            return dns.name.Name([*name.encode().split(b"."), b""])  # in half the time
        return dns.name.from_text(name)
    except (dns.exception.DNSException, struct.error):  # struct.error: dnspython 2.3 at an escape beyond \255
        return None


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)
