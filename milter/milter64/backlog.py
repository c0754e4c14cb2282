"""Work that nobody waits for: a few threads do it at the lowest priority, and of too much of it some is left undone."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import BoundedSemaphore, get_native_id

_MOST = 2048
"""Tasks that may be due at once."""
_THREADS = 4
_LOWEST_PRIORITY = 19
"""Of setpriority(2), which knows threads too."""


class Backlog:
    """Tasks, done in order; every thread may put one in."""

    def __init__(self, on_fault: Callable[[], None]) -> None:
        """Call `on_fault` while an exception of a task's is being handled."""
        self._on_fault = on_fault
        self._places = BoundedSemaphore(_MOST)
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
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _do(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception:  # noqa: BLE001  nobody waits for this, and nobody else would hear of it
            self._on_fault()
        finally:
            self._places.release()


def _give_way() -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _LOWEST_PRIORITY)
