"""One server's link: a thread that has a line to itself, and a queue before it.

All that waits goes out together, and whoever sent it has a future. What goes wrong with the line is told to all who
have something on it, and another one is dialled; it counts once the server has taken a write.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from typing import Protocol

from milter64.sharing.dialling import Line, LineBroken, pack
from milter64.sharing.interface import ASK, Command, Reply, ServersGone

_MOST, _MOST_OCTETS = 20_000, 16 << 20
"""Commands that may wait, and their octets."""
_TOGETHER, _TOGETHER_OCTETS = 500, 256 << 10
"""Commands that go out in one go, and their octets: they take a healthy server some milliseconds."""
_SLOW = 0.1
"""Seconds: a server that takes longer is not asked for decisions."""
_PROBE = 1.0
"""Seconds without anything to send after which the server is probed; where it was slow, it is after `_SLOW`."""
_PAUSES = 0.25, 0.5
"""Seconds from a line that broke to the next one, and where that can't be had, to each further one."""


@dataclass(slots=True, eq=False)
class _Request:
    packed: bytes
    count: int
    future: Future[list[Reply]] = field(default_factory=Future)
    at: float = field(default_factory=time.monotonic)


class Watcher(Protocol):
    """Who is told how a link does; from its thread."""

    def up(self) -> None:
        """It works now, over a new line."""

    def down(self, why: str) -> None:
        """It doesn't work; told each time that a line breaks or can't be had."""


class Link:
    """The link to one server. Every thread may call everything; nothing here waits but `ask`."""

    def __init__(self, dial: Callable[[], Line], probe: str, watcher: Watcher) -> None:
        """Dial behind; `probe` is a key that the server may write."""
        self._dial = dial
        self._probe = pack([("HELLO", 2), ("SET", probe, 1, "PX", 1000)])
        self._watcher = watcher
        self._news = Condition(Lock())
        self._waiting: deque[_Request] = deque()
        self._on_line: list[_Request] = []
        self._count = self._octets = 0
        self._works = self._closed = False
        self._why = "no connection yet"
        self._took = 0.0
        self._line: Line | None = None
        self._patient = Lock()
        Thread(target=self._run, name="sharing", daemon=True).start()

    @property
    def works(self) -> bool:
        """Whether there is a line that has proved itself."""
        return self._works

    def send(self, commands: Sequence[Command]) -> Future[list[Reply]]:
        """Send commands in one round trip; the future fails with ServersGone.

        Raises:
            ServersGone: there is no line, or too much waits for it.
        """
        return self._put(commands).future

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Send commands and wait for the replies, as Servers.ask does.

        Raises:
            ServersGone: there are none.
        """
        if self._took > _SLOW or self._overdue():
            raise ServersGone("the server is slow")
        future = self._put(commands).future
        try:
            return future.result(_SLOW)
        except NotYet:
            if not self._patient.acquire(blocking=False):
                future.cancel()
                raise ServersGone("the server is slow") from None  # and one who waits to see how slow is enough
        try:
            return future.result(ASK - _SLOW)
        except NotYet:
            future.cancel()
            raise ServersGone("no answer in time") from None
        finally:
            self._patient.release()

    def close(self) -> None:
        """Let go of the line."""
        with self._news:
            self._closed = True
            self._news.notify()
            line = self._line
        if line:
            line.cut()
        self._fail("closed")

    def _overdue(self) -> bool:
        with self._news:
            oldest = self._on_line or self._waiting
            return bool(oldest) and time.monotonic() - oldest[0].at > _SLOW

    def _put(self, commands: Sequence[Command]) -> _Request:
        request = _Request(pack(commands), len(commands))
        with self._news:
            if not self._works:
                raise ServersGone(self._why)
            if self._count + request.count > _MOST or self._octets + len(request.packed) > _MOST_OCTETS:
                raise ServersGone("too much waits for the server")
            self._count += request.count
            self._octets += len(request.packed)
            self._waiting.append(request)
            if len(self._waiting) == 1:
                self._news.notify()
        return request

    def _run(self) -> None:
        while not self._closed:
            worked = False
            try:
                self._line = self._dial()
                self._prove()
                worked = True
                self._started()
                while not self._closed:
                    self._serve()
            except LineBroken as error:
                self._fail(str(error))
                if not self._closed:
                    self._watcher.down(str(error))
            finally:
                line, self._line = self._line, None
                if line:
                    line.close()
            with self._news:
                self._news.wait_for(lambda: self._closed, _PAUSES[0] if worked else _PAUSES[1])

    def _started(self) -> None:
        with self._news:
            self._works = not self._closed
        if self._works:
            self._watcher.up()

    def _prove(self) -> None:
        """Have the server take a write, as its master."""
        hello, _ = self._exchange(self._probe, 2)
        if isinstance(hello, list) and b"role" in hello and b"master" not in hello:
            raise LineBroken("READONLY it is a replica")
        if isinstance(_, Exception):
            raise LineBroken(str(_))

    def _serve(self) -> None:
        if batch := self._next():
            replies = self._exchange(b"".join(each.packed for each in batch), sum(each.count for each in batch))
            with self._news:
                self._on_line = []
            begin = 0
            for each in batch:
                each.future.set_result(replies[begin : begin + each.count])
                begin += each.count
        elif not self._closed:
            self._prove()

    def _exchange(self, packed: bytes, count: int) -> list[Reply]:
        assert self._line
        begun = time.monotonic()
        replies = self._line.exchange(packed, count)
        self._took = time.monotonic() - begun
        return replies

    def _next(self) -> list[_Request]:
        """Return what goes out together, once there is something; nothing where it is time for a probe."""
        batch = self._on_line = []
        count = octets = 0
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._closed, _SLOW if self._took > _SLOW else _PROBE)
            while self._waiting and count < _TOGETHER and octets < _TOGETHER_OCTETS:
                request = self._waiting.popleft()
                self._count -= request.count
                self._octets -= len(request.packed)
                if request.future.set_running_or_notify_cancel():
                    batch.append(request)
                    count += request.count
                    octets += len(request.packed)
        return batch

    def _fail(self, why: str) -> None:
        """Tell all who have sent something that they have no reply."""
        with self._news:
            self._works = False
            self._why = why
            failed = self._on_line
            self._on_line = []
            failed += [each for each in self._waiting if each.future.set_running_or_notify_cancel()]
            self._waiting.clear()
            self._count = self._octets = 0
        for each in failed:
            each.future.set_exception(ServersGone(why))
