"""One loop for all that a process waits for: each step is done as soon as its socket is readable, or its time is up."""

import sched
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

Step = Callable[[], object]


class EventLoop:
    """Does one step after another."""

    def __init__(self, do: Callable[[Step], None]) -> None:
        """Have `do` do each step."""
        self._do = do
        self._timers = sched.scheduler(time.monotonic)
        self._selector = selectors.EpollSelector()  # poll(2) fails where fewer files may be open than are

    def when_readable(self, end: socket.socket, step: Step) -> None:
        """Have a step done whenever there is something to read."""
        self._selector.register(end, selectors.EVENT_READ, step)

    def forget(self, end: socket.socket) -> None:
        """Look no more whether there is."""
        self._selector.unregister(end)

    def later(self, seconds: float, step: Step) -> Callable[[], None]:
        """Have a step done in so many seconds, once; return what calls it off, if it is not too late."""
        return partial(self._call_off, self._timers.enter(seconds, 0, self._do, (step,)))

    def _call_off(self, event: sched.Event) -> None:
        with suppress(ValueError):  # it is done, or just being done
            self._timers.cancel(event)

    def turn(self) -> None:
        """Wait until something is to be done, and do it."""
        for key, _ in self._selector.select(self._timers.run(blocking=False)):
            self._do(key.data)

    def close(self) -> None:
        """Let go of all sockets, in a process that has inherited them."""
        self._selector.close()
