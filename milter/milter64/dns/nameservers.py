"""The nameservers that are asked, in turn, and whether any of them answers at all.

Two things are told apart. A question that times out while the nameservers answer others is marked, and nobody waits for
it again for a minute: for that name and type, as there are servers that are silent about one type alone. Nameservers
that answer about nothing open the breaker, and nobody waits for any name till one of them is heard of again. To be sure
which it is, the last second of the silence belongs to a question that every nameserver can answer; the same question,
asked every second, finds out when the silence ends.
"""

import errno
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread

import dns.rcode

from milter64.dns.datagram_sockets import DatagramSockets
from milter64.dns.edns_support import Plain, understood
from milter64.dns.message import Query, Response
from milter64.dns.nameserver import Nameserver
from milter64.dns.query import by_datagram, by_stream, over_udp
from milter64.dns.side_by_side import Course
from milter64.dns.unanswered import OutOfMeans, TimedOut, Unanswered
from milter64.dns.wire_name import ROOT
from milter64.limits.bounded_cache import Cache
from milter64.limits.memory import USUAL

SILENCE = 5.0
"""Seconds without any answer, though asked, that open the breaker."""
PROBE_EVERY = 1.0
"""Seconds from one probe to the next."""
MARK_LASTS = 60.0
"""Seconds for which a question that timed out is not asked."""
_LARGEST = 2**14
"""Octets of a mark: strangers choose the names. Those last met longest ago make room."""

_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What is missing to ask: a socket, or memory for one."""

_USABLE = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


_Question = tuple[bytes, str]
"""A name, and a type."""


class Nameservers:
    """One or more nameservers; thread-safe.

    `timeout` is the longest that one try may take, in seconds. `on_breaker` is told True when the breaker opens and
    False when it closes; `on_plain` of each nameserver once that has no EDNS. `clock` is in seconds, and deadlines are
    its values.
    """

    def __init__(  # noqa: PLR0913  who is told what, and the bound
        self,
        servers: Sequence[Nameserver],
        timeout: float,
        *,
        on_breaker: Callable[[bool], None] = lambda _: None,
        on_plain: Callable[[Nameserver], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        capacity: int = USUAL.marks,
    ) -> None:
        """Keep marks of `capacity` octets."""
        self._servers = tuple(servers)
        self._timeout = timeout
        self._on_breaker = on_breaker
        self._clock = clock
        self._sockets = DatagramSockets()
        self._plain = Plain(on_plain, clock)
        self._lock = Lock()
        self._open = False
        self._watched = False
        self._answers = 0
        self._answered = Event()
        self._silent_since: float | None = None
        """When the first question after the last answer was asked."""
        self._marks: Cache[_Question, float] = Cache(capacity, _LARGEST)

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

    def exchange(self, owner: bytes, rdtype: str, deadline: float) -> Course[Response]:
        """Return what a nameserver says about a name, as `Query` takes it: a response of NOERROR or NXDOMAIN.

        Raises:
            Unanswered: nobody said anything usable before `deadline`, or the question was not asked at all.
        """
        question = owner, rdtype
        began, answers = self._admit(question)
        try:
            return (yield from self._ask_in_turn(Query(owner, rdtype), deadline))
        except TimedOut:
            with self._lock:
                if self._answers != answers and self._clock() - began >= self._timeout:
                    self._marks.put(question, self._clock())
            raise

    def _admit(self, question: _Question) -> tuple[float, int]:
        """Return the time and how many answers there have been, unless the question has timed out lately."""
        with self._lock:
            now = self._clock()
            marked = self._marks.get(question)
            if marked is not None and now - marked < MARK_LASTS:
                raise Unanswered("timed out a moment ago")
            if self._silent_since is None:
                self._silent_since = now
            return now, self._answers

    def _ask_in_turn(self, query: Query, deadline: float) -> Course[Response]:
        """Ask one nameserver after the other, and those that kept silent once more: a datagram may have been lost."""
        failure: Unanswered | None = None
        silent: list[Nameserver] = []
        for servers in (self._servers, silent):
            for server in tuple(servers):
                wait = min(self._timeout, deadline - self._clock())
                if wait <= 0:
                    raise TimedOut(str(failure), failure.server) if failure else TimedOut("no time left")
                if self._open:
                    raise Unanswered("no nameserver answers")
                try:
                    return (yield from self._try(query, server, wait, again=servers is silent))
                except TimedOut as error:
                    failure = error
                    silent.append(server)
                except Unanswered as error:
                    failure = error
        assert failure
        raise failure

    def _try(self, query: Query, server: Nameserver, seconds: float, *, again: bool) -> Course[Response]:
        """Ask one nameserver, over TCP if its answer over UDP is truncated (RFC 7766 5).

        One that was silent, or says that it doesn't understand, is asked without EDNS (RFC 6891 7).
        """
        end, way, edns = time.monotonic() + seconds, "", not again and server not in self._plain
        try:
            reply = yield from by_datagram(query, server, end, self._sockets, edns=edns)
            self._note_answer(server)
            if edns and not understood(reply):
                reply, edns = (yield from by_datagram(query, server, end, self._sockets, edns=False)), False
            if not edns and understood(reply):
                self._plain.suspect(server)
            if reply.truncated:
                way = " over TCP"
                reply = yield from by_stream(query, server, end, edns=edns)
        except OSError as error:
            if error.errno in _OURS:
                raise OutOfMeans((error.strerror or str(error)).lower()) from error
            if not way:
                self._note_silence()
            if isinstance(error, TimeoutError):
                raise TimedOut(f"no answer{way} in time", server) from error
            raise Unanswered(f"{(error.strerror or str(error)).lower()}{way}", server) from error
        if reply.rcode in _USABLE:
            return reply
        raise Unanswered(f"{dns.rcode.to_text(dns.rcode.Rcode.make(reply.rcode))}{way}", server)

    def _note_answer(self, server: Nameserver) -> None:
        """Note that the nameserver is alive, whatever it said; it is asked first from now on."""
        with self._lock:
            self._answers += 1
            self._silent_since = None
            if server is not self._servers[0]:
                self._servers = (server, *(other for other in self._servers if other is not server))
        if not self._answered.is_set():  # nearly always it is, and to set it takes a lock
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
        self._answered.clear()
        end, answers = time.monotonic() + seconds, self._answers
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
