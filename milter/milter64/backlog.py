"""Work that nobody waits for: a few threads do it slowly, and of too much of it some is left undone.

Priority alone would not do. Whoever holds the GIL holds up all sessions, so these threads also rest, much longer than
they work.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import BoundedSemaphore, Event, get_native_id

_MOST = 512
"""Tasks that may be due at once."""
_THREADS = 4
_REST = 40
"""How many times longer than it has used the CPU a thread rests: together they take a tenth of it."""
_LOWEST_PRIORITY = 19
"""Of setpriority(2), which knows threads too."""


class Backlog:
    """Tasks, done in order; every thread may put one in."""

    def __init__(self, on_fault: Callable[[], None]) -> None:
        """Call `on_fault` while an exception of a task's is being handled."""
        self._on_fault = on_fault
        self._places = BoundedSemaphore(_MOST)
        self._closed = Event()
        self._threads = ThreadPoolExecutor(_THREADS, "backlog", _give_way)

    def put(self, task: Callable[[], None]) -> None:
        """Have a task done some time, if there is a place for it."""
        if self._places.acquire(blocking=False):
            self._threads.submit(self._do, task)

    def bound(self) -> tuple[int, int]:
        """Return how many tasks there are, and how many there may be."""
        return _MOST - self._places._value, _MOST  # noqa: SLF001  a semaphore tells nobody else

    def close(self) -> None:
        """Begin no more tasks."""
        self._closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _do(self, task: Callable[[], None]) -> None:
        began = time.thread_time()
        try:
            task()
        except Exception:  # noqa: BLE001  nobody waits for this, and nobody else would hear of it
            self._on_fault()
        finally:
            self._places.release()
        self._closed.wait(_REST * (time.thread_time() - began))


def _give_way() -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _LOWEST_PRIORITY)
