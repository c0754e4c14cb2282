"""One server's link: a thread that has a line to itself, and a queue before it.

All that waits goes out together, and whoever sent it has a future. What goes wrong with the line is told to all who
have something on it, and another one is dialled; it counts once the server has taken a write.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from typing import Protocol

from milter64.sharing.interface import ASK, Command, Reply, ServersGone
from milter64.sharing.line import Line, LineBroken, pack, said

_MOST, _MOST_OCTETS = 20_000, 16 << 20
"""Commands that may wait, and their octets."""
_TOGETHER, _TOGETHER_OCTETS = 500, 256 << 10
"""Commands that go out in one go, and their octets: they take a healthy server some milliseconds."""
_SLOW = 0.1
"""Seconds: a server that takes longer is not asked for decisions."""
_LONGEST_REST, _FORGIVEN = 1.0, 3.0
"""Seconds for which it has to be quick to be asked again, at most: `_SLOW`, and twice as many each time that it is slow
within so many seconds. So one that is late now and then costs no decision each time."""
_PROBE = 1.0
"""Seconds from one probe to the next: its role may change. It is `_SLOW` where it was slow."""
_PAUSE = 0.25
"""Seconds from a line that broke, or could not be had, to the next one."""
_ELSEWHERE = re.compile(r"(?:|ERR .*: -)(?:ASK|MOVED|TRYAGAIN)\b")
"""Said of keys that another node of a Cluster has, or will have."""


class Watcher(Protocol):
    """Who is told how a link does, from its thread."""

    def up(self) -> None:
        """It works, over a new line."""

    def down(self, why: str) -> None:
        """It doesn't work; told each time that a line breaks or can't be had."""

    def elsewhere(self) -> None:
        """The server has said that another one has some key."""


@dataclass(slots=True, eq=False)
class _Request:
    packed: bytes
    count: int
    future: Future[list[Reply]] = field(default_factory=Future)
    at: float = field(default_factory=time.monotonic)


class Link:
    """The link to one server. Every thread may call everything; nothing here waits but `ask`."""

    def __init__(self, dial: Callable[[], Line], probe: str, watcher: Watcher) -> None:
        """Dial behind; `probe` is a key that the server may write."""
        self._dial = dial
        self._watcher = watcher
        self._news = Condition(Lock())  # for all that follows, but for what one thread alone writes
        self._waiting: deque[_Request] = deque()
        self._count = self._octets = 0  # of those
        self._on_line: list[_Request] = []
        self._works = self._closed = self._stale = False
        self._why = "no connection yet"
        self._line: Line | None = None
        self._begun = 0.0  # when the exchange that goes on began
        self._late, self._rest = -_FORGIVEN, 0.0  # when one took long last, and the rest that it has since
        self._exchanges = 0
        self._proved = 0.0  # when it has
        self._patient = Lock()
        self.probe_with(probe)
        Thread(target=self._run, name="sharing", daemon=True).start()

    @property
    def works(self) -> bool:
        """Whether there is a line that has proved itself."""
        return self._works

    def probe_with(self, key: str) -> None:
        """Use another key to see whether the server takes writes."""
        self._probe = pack([("SET", key, 1, "PX", 1000), ("HELLO", 2)])

    def send(self, commands: Sequence[Command]) -> Future[list[Reply]]:
        """Send commands in one round trip; the future fails with ServersGone.

        Raises:
            ServersGone: there is no line, or too much waits for it.
        """
        packed = pack(commands)
        with self._news:
            if not self._works:
                raise ServersGone(self._why)
            if self._count + len(commands) > _MOST or self._octets + len(packed) > _MOST_OCTETS:
                raise ServersGone("too much waits for the server")
            request = _Request(packed, len(commands))
            self._count += request.count
            self._octets += len(packed)
            self._waiting.append(request)
            self._news.notify()
        return request.future

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands and wait for the replies, as Servers.ask does.

        Raises:
            ServersGone: there are none.
        """
        if self._slow():
            raise ServersGone("the server is slow")
        future = self.send(commands)
        try:
            return future.result(_SLOW)
        except NotYet:
            if not self._patient.acquire(blocking=False):  # one who waits to see how slow it is is enough
                future.cancel()
                raise ServersGone("the server is slow") from None
        try:
            return future.result(ASK - _SLOW)
        except NotYet:
            future.cancel()
            raise ServersGone("no answer in time") from None
        finally:
            self._patient.release()

    def redial(self) -> None:
        """Let go of the line and dial anew: another server is meant."""
        with self._news:
            self._stale = True
            self._news.notify()
            line = self._line
        if line:
            line.cut()

    def close(self) -> None:
        """Let go of the line, for ever."""
        self._closed = True
        self.redial()

    def _slow(self) -> bool:
        with self._news:
            since = [self._begun] if self._begun else []
            since += [self._waiting[0].at] if self._waiting else []
        return self._rests or (bool(since) and time.monotonic() - min(since) > _SLOW)

    @property
    def _rests(self) -> bool:
        """Whether it was slow a moment ago."""
        return time.monotonic() - self._late < self._rest

    def _run(self) -> None:
        while not self._closed:
            try:
                with self._news:
                    self._stale = self._closed
                self._line = self._dial()
                self._prove()
                with self._news:
                    self._works = not self._stale
                self._watcher.up()
                while True:
                    self._serve()
            except Exception as error:  # noqa: BLE001  a fault of ours must not leave others waiting either
                self._broken(error)
            with self._news:
                self._news.wait_for(lambda: self._closed, _PAUSE)

    def _broken(self, error: Exception) -> None:
        """Tell all who have sent something that they have no reply."""
        line, self._line = self._line, None
        if line:
            line.close()
        why = str(error) if isinstance(error, LineBroken) else said(error)
        with self._news:
            self._works = False
            self._why = why
            self._begun = 0.0
            failed = [*self._on_line, *(each for each in self._waiting if each.future.set_running_or_notify_cancel())]
            self._on_line = []
            self._waiting.clear()
            self._count = self._octets = 0
        for each in failed:
            each.future.set_exception(ServersGone(why))
        if not self._closed:
            self._watcher.down(why)

    def _prove(self) -> None:
        """Have the server take a write, as a master."""
        written, hello = self._exchange(self._probe, 2)
        if isinstance(written, Exception):
            raise LineBroken(said(written))
        if isinstance(hello, list) and b"role" in hello and b"master" not in hello:
            raise LineBroken("READONLY it is a replica")
        self._proved = time.monotonic()

    def _serve(self) -> None:
        """Exchange what waits, or else a probe."""
        batch = self._next()
        if not batch:
            self._prove()
            return
        replies = iter(self._exchange(b"".join(each.packed for each in batch), sum(each.count for each in batch)))
        self._on_line = []
        for each in batch:
            self._resolve(each.future, [next(replies) for _ in range(each.count)])

    def _resolve(self, future: Future[list[Reply]], replies: list[Reply]) -> None:
        refused = [said(reply) for reply in replies if isinstance(reply, Exception)]
        if moved := next(filter(_ELSEWHERE.match, refused), None):
            self._watcher.elsewhere()
            future.set_exception(ServersGone(moved))
        else:
            future.set_result(replies)

    def _exchange(self, packed: bytes, count: int) -> list[Reply]:
        """Return the replies to commands, and to no others: a number goes along that has to come back behind them."""
        assert self._line
        self._exchanges += 1
        self._begun = begun = time.monotonic()
        *replies, number = self._line.exchange(packed + pack([("ECHO", self._exchanges)]), count + 1)
        self._begun = 0.0
        if (now := time.monotonic()) - begun > _SLOW:
            again = now - self._late < _FORGIVEN
            self._late, self._rest = now, min(2 * self._rest, _LONGEST_REST) if again else _SLOW
        if isinstance(number, Exception):
            raise LineBroken(said(number))
        if number != str(self._exchanges).encode():
            raise LineBroken("it answers what nobody asked")
        return replies

    def _next(self) -> list[_Request]:
        """Return what goes out together, once there is something; nothing where it is time for a probe."""
        batch = self._on_line = []
        count = octets = 0
        with self._news:
            due = self._proved + (_SLOW if self._rests else _PROBE) - time.monotonic()
            if due > 0.0:
                self._news.wait_for(lambda: self._waiting or self._stale, due)
            if self._stale:
                raise LineBroken("closed" if self._closed else "another server has its place")
            while due > 0.0 and self._waiting and count < _TOGETHER and octets < _TOGETHER_OCTETS:
                request = self._waiting.popleft()
                self._count -= request.count
                self._octets -= len(request.packed)
                if request.future.set_running_or_notify_cancel():
                    batch.append(request)
                    count += request.count
                    octets += len(request.packed)
        return batch
