"""The nameservers that are asked, in turn, and whether any of them answers at all.

Two things are told apart. A question that times out while the nameservers answer others is marked, and nobody waits for
it again for a minute: for that name and type, as there are servers that are silent about one type alone. Nameservers
that answer about nothing open the breaker, and nobody waits for any name till one of them is heard of again. To be sure
which it is, the last second of the silence belongs to a question that every nameserver can answer; the same question,
asked every second, finds out when the silence ends.
"""

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock, Thread

import dns.rcode

from milter64.dns.edns_support import Plain, understood
from milter64.dns.message import Query, Response
from milter64.dns.query import Nameserver, all_over_udp, over_tcp, over_udp
from milter64.dns.wire_name import ROOT
from milter64.limits.bounded_cache import Cache

SILENCE = 5.0
"""Seconds without any answer, though asked, that open the breaker."""
PROBE_EVERY = 1.0
"""Seconds from one probe to the next."""
MARK_LASTS = 60.0
"""Seconds for which a question that timed out is not asked."""
_CAPACITY, _LARGEST = 2**19, 2**14
"""Octets of marks, some 900 of them, and of one: strangers choose the names. Those last met longest ago make room."""

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What is missing to ask: a socket, or memory for one."""

_USABLE = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


class Unanswered(Exception):  # noqa: N818  it says what came of the question; nobody erred
    """A question got no usable answer; the text says why, in a few clean words that anyone may read.

    `server` is the nameserver that it was, which is the admin's business alone; empty if it was none.
    """

    def __init__(self, text: str, server: object = "") -> None:
        super().__init__(text)
        self.server = str(server)

    @property
    def in_full(self) -> str:
        """The text and the nameserver."""
        return f"{self} ({self.server})" if self.server else str(self)


class OutOfMeans(Unanswered):
    """We could not ask, as this process or this host has run out of something: nobody else is silent."""


class TimedOut(Unanswered):
    """No nameserver answered in time."""


Question = tuple[bytes, str]
"""A name as `Query` takes it, and a type."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Asked:
    """A question under way: who was silent about it, and what went wrong last."""

    question: Question
    query: Query
    deadline: float
    silent: list[Nameserver] = field(default_factory=list)
    failure: Unanswered = field(default_factory=partial(TimedOut, "no time left"))


_Outcome = tuple[_Asked, Response | Unanswered]
_OVER_TCP = " over TCP"


class Nameservers:
    """One or more nameservers; thread-safe.

    `timeout` is the longest that one try may take, in seconds. `on_breaker` is told True when the breaker opens and
    False when it closes; `on_plain` of each nameserver once that has no EDNS. `clock` is in seconds, and deadlines are
    its values.
    """

    def __init__(
        self,
        servers: Sequence[Nameserver],
        timeout: float,
        *,
        on_breaker: Callable[[bool], None] = lambda _: None,
        on_plain: Callable[[Nameserver], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = tuple(servers)
        self._timeout = timeout
        self._on_breaker = on_breaker
        self._clock = clock
        self._plain = Plain(on_plain, clock)
        self._lock = Lock()
        self._open = False
        self._watched = False
        self._answers = 0
        self._answered = Event()
        self._silent_since: float | None = None
        """When the first question after the last answer was asked."""
        self._marks: Cache[Question, float] = Cache(_CAPACITY, _LARGEST)

    @property
    def down(self) -> bool:
        """Whether the breaker is open."""
        return self._open

    @property
    def marks(self) -> tuple[int, int]:
        """How much is kept of questions that are marked, and how much may be, in octets."""
        return self._marks.weight, self._marks.capacity

    def answer_at_all(self, deadline: float) -> bool:
        """Whether a nameserver says anything now, if only to a probe, which takes no longer than till `deadline`."""
        return not self._open and self._probe(min(PROBE_EVERY, deadline - self._clock()))

    def exchange(self, questions: Mapping[Question, float]) -> Iterator[tuple[Question, Response | Unanswered]]:
        """Ask all at once, each until its deadline, and yield what comes of each as soon as it does.

        That is a response of NOERROR or NXDOMAIN or, if nobody said anything usable in time or the question was not
        asked at all, the reason.
        """
        with self._lock:
            began, answers = self._clock(), self._answers
            marks = {question: self._marks.get(question) for question in questions}
            marked = {each for each, mark in marks.items() if mark is not None and began - mark < MARK_LASTS}
            if self._silent_since is None and len(marked) < len(questions):
                self._silent_since = began
        for question in marked:
            yield question, Unanswered("timed out a moment ago")
        asked = [
            _Asked(question=question, query=Query(*question), deadline=deadline)
            for question, deadline in questions.items()
            if question not in marked
        ]
        for each, outcome in self._ask_in_turn(asked):
            if isinstance(outcome, TimedOut):
                with self._lock:
                    if self._answers != answers and self._clock() - began >= self._timeout:
                        self._marks.put(each.question, self._clock())
            yield each.question, outcome

    def _ask_in_turn(self, asked: "list[_Asked]") -> "Iterator[_Outcome]":
        """Ask one nameserver after the other, and those that kept silent once more: a datagram may have been lost."""
        for again in (False, True):
            for server in self._servers:
                now, in_time = self._clock(), list[_Asked]()
                for each in [each for each in asked if not again or server in each.silent]:
                    if each.deadline <= now or self._open:
                        asked.remove(each)
                        late = TimedOut(str(each.failure), each.failure.server)
                        yield each, late if each.deadline <= now else Unanswered("no nameserver answers")
                    else:
                        in_time.append(each)
                for each, outcome in self._try(in_time, server, now, again=again) if in_time else ():
                    if isinstance(outcome, Response):
                        asked.remove(each)
                        yield each, outcome
                    else:
                        each.failure = outcome
                        if isinstance(outcome, TimedOut):
                            each.silent.append(server)
        for each in asked:
            yield each, each.failure

    def _try(self, asked: "list[_Asked]", server: Nameserver, now: float, *, again: bool) -> "Iterator[_Outcome]":
        """Ask one nameserver, over TCP where its answer over UDP is truncated (RFC 7766 5).

        One that was silent, or says that it doesn't understand, is asked without EDNS (RFC 6891 7).
        """
        end = time.monotonic() + min(self._timeout, max(each.deadline for each in asked) - now)
        edns = not again and server not in self._plain
        waiting = {each.query: each for each in asked}
        truncated = list[tuple[Query, bool]]()
        failure: Unanswered = TimedOut("no answer in time", server)
        try:
            for query, reply, with_edns in self._datagrams(tuple(waiting), server, end, edns=edns):
                if reply.truncated:
                    truncated.append((query, with_edns))
                else:
                    yield waiting.pop(query), _usable(reply, server)
        except OSError as error:
            failure = _failure(error, server)
        if len(waiting) > len(truncated) and not isinstance(failure, OutOfMeans):
            self._note_silence()
        for query, with_edns in truncated:
            try:
                reply = over_tcp(query, server, end - time.monotonic(), edns=with_edns)
            except OSError as error:
                yield waiting.pop(query), _failure(error, server, _OVER_TCP)
            else:
                yield waiting.pop(query), _usable(reply, server, _OVER_TCP)
        for each in waiting.values():
            yield each, failure

    def _datagrams(
        self, queries: Iterable[Query], server: Nameserver, end: float, *, edns: bool
    ) -> Iterator[tuple[Query, Response, bool]]:
        """Yield what comes over UDP, and whether it is of a question with EDNS."""
        misunderstood = []
        for query, reply in all_over_udp(queries, server, end - time.monotonic(), edns=edns):
            self._note_answer(server)
            if edns and not understood(reply):
                misunderstood.append(query)
                continue
            if not edns and understood(reply):
                self._plain.suspect(server)
            yield query, reply, edns
        if misunderstood:
            yield from self._datagrams(misunderstood, server, end, edns=False)

    def _note_answer(self, server: Nameserver) -> None:
        """Note that the nameserver is alive, whatever it said; it is asked first from now on."""
        with self._lock:
            self._answers += 1
            self._silent_since = None
            if server is not self._servers[0]:
                self._servers = (server, *(other for other in self._servers if other is not server))
        self._answered.set()

    def _note_silence(self) -> None:
        """Watch the nameservers if the silence has lasted so long that one probe more opens the breaker."""
        with self._lock:
            since = self._silent_since
            if self._watched or since is None or self._clock() - since < SILENCE - PROBE_EVERY:
                return
            self._watched = True
        Thread(target=self._watch, name="dns-probe", daemon=True).start()

    def _watch(self) -> None:
        """Probe every second till something answers. The breaker is open from the first failure on."""
        edns = True
        while not self._probe(PROBE_EVERY, edns=edns):
            self._set_open(now_open=True)
            edns = not edns
        self._set_open(now_open=False)

    def _probe(self, seconds: float, *, edns: bool = True) -> bool:
        """Ask for the root's nameservers; wait for an answer to that or to any other question."""
        end, answers = time.monotonic() + seconds, self._answers
        self._answered.clear()
        for server in self._servers:
            with suppress(OSError):
                with_edns = edns and server not in self._plain
                over_udp(Query(ROOT, "NS"), server, seconds / len(self._servers), edns=with_edns)
                self._note_answer(server)
                return True
        self._answered.wait(max(0.0, end - time.monotonic()))
        return self._answers != answers  # the event may have been cleared since, by another probe

    def _set_open(self, *, now_open: bool) -> None:
        with self._lock:
            changed = self._open is not now_open
            self._open = self._watched = now_open
            if changed and not now_open:
                self._marks.clear()  # what timed out about then says nothing about the names
        if changed:
            with suppress(Exception):  # a line that can't be logged must not keep the breaker open
                self._on_breaker(now_open)


def _usable(reply: Response, server: Nameserver, way: str = "") -> Response | Unanswered:
    if reply.rcode in _USABLE:
        return reply
    return Unanswered(f"{dns.rcode.to_text(dns.rcode.Rcode.make(reply.rcode))}{way}", server)


def _failure(error: OSError, server: Nameserver, way: str = "") -> Unanswered:
    text = (error.strerror or str(error)).lower()
    if error.errno in _OURS:
        return OutOfMeans(text)
    if isinstance(error, TimeoutError):
        return TimedOut(f"no answer{way} in time", server)
    return Unanswered(f"{text}{way}", server)
