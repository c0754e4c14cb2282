"""Work that nobody waits for: a few threads do it slowly, and of too much of it some is left undone.

Priority alone would not do. Whoever holds the GIL holds up all sessions, so these threads also rest, much longer than
they work.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Event, Lock, get_native_id
from typing import Protocol

from milter64.address.client import Client
from milter64.limits.fair_shares import Claim, Turns, networks

_MOST = 512
"""Tasks that may be due at once."""
_MOST_OFFERED = 4096
"""Tasks that may have been put in and not been looked at; those of before make room."""
_GATHER = 0.25
"""Seconds in which they gather."""
_OF_ONE = 16
"""Those that are then looked at of one network, the widest around a client: more have no chance."""
_THREADS = 8
_REST = 160
"""How many times longer than it has used the CPU a thread rests: together they take a twentieth of it."""
_LOWEST_PRIORITY = 19
"""Of setpriority(2), which knows threads too."""


Answered = Callable[[str], None]
"""Tells that a task waits for a domain no more."""
Task = Callable[[Answered], None]
"""What is to be done."""


class Background(Protocol):
    """Who does tasks: `BackgroundWork`, or somebody who does them at once."""

    def put(self, client: Client, domains: Iterable[str], task: Task, name: Hashable = None) -> None:
        """Have a task done some time; it is about a client, and some domains that may be waited for."""

    def bound(self) -> tuple[int, int]:
        """Return how many tasks are due, and how many may be."""

    def close(self) -> None:
        """Begin no more tasks."""


class _Job(Claim):
    def __init__(self, client: Client, domains: Iterable[str], task: Task, name: Hashable) -> None:
        super().__init__(client, domains)
        self.task = task
        self.name = name


class BackgroundWork:
    """Tasks, of which the clients that they are about have fair shares; every thread may put one in."""

    def __init__(self, on_fault: Callable[[], None]) -> None:
        """Call `on_fault` while an exception of a task's is being handled."""
        self._on_fault = on_fault
        self._offered: deque[tuple[Client, Iterable[str], Task, Hashable]] = deque(maxlen=_MOST_OFFERED)
        self._sorting = False
        self._lock = Lock()  # for all that follows, and for these threads alone
        self._turns: Turns[_Job] = Turns(_THREADS, _MOST)
        self._names: set[Hashable] = set()
        self._closed = Event()
        self._threads = ThreadPoolExecutor(_THREADS, "backlog", _give_way)
        self._sorter = ThreadPoolExecutor(1, "backlog", _give_way)  # never rests, or a flood would fill what is offered

    def put(self, client: Client, domains: Iterable[str], task: Task, name: Hashable = None) -> None:
        """Have a task done some time, if there is a place for it, and none of the same name that is still due.

        It is about a client, and some domains that may be waited for. Whether there is a place is found out behind:
        that costs as much as a third of a flood's whole session, and takes a lock.
        """
        self._offered.append((client, domains, task, name))
        if not self._sorting:  # else what stands there now is still to be looked at
            self._sorting = True
            _submit(self._sorter, self._sort)

    def bound(self) -> tuple[int, int]:
        """Return how many tasks are due, and how many may be."""
        return self._turns.line

    def close(self) -> None:
        """Begin no more tasks."""
        self._closed.set()
        for threads in (self._sorter, self._threads):
            threads.shutdown(wait=False, cancel_futures=True)

    def _sort(self) -> None:
        """Give places to what was offered, as far as there are any."""
        self._closed.wait(_GATHER)
        self._sorting = False
        looked_at = Counter[bytes]()
        with self._lock:
            while self._offered:
                client, domains, task, name = self._offered.popleft()
                network = networks(client)[-1]
                if looked_at[network] < _OF_ONE:
                    looked_at[network] += 1
                    self._take(_Job(client, domains, task, name))

    def _take(self, job: _Job) -> None:
        if job.name in self._names:
            return
        if self._turns.take(job):
            self._begin([job])
        elif not self._turns.line_up(job):
            return
        if job.name is not None:
            self._names.add(job.name)

    def _begin(self, jobs: Iterable[_Job]) -> None:
        """Give each that has its turn a thread, of which there is one for it, if it doesn't rest."""
        for job in jobs:
            _submit(self._threads, self._do, job)

    def _answered(self, job: _Job, domain: str) -> None:
        with self._lock:
            self._begin(self._turns.answered(job, domain))

    def _do(self, job: _Job) -> None:
        began = time.thread_time()
        try:
            job.task(partial(self._answered, job))
        except Exception:  # noqa: BLE001  nobody waits for this, and nobody else would hear of it
            self._on_fault()
        with self._lock:
            self._names.discard(job.name)
            self._begin(self._turns.leave(job))
        self._closed.wait(_REST * (time.thread_time() - began))


def _submit(threads: ThreadPoolExecutor, do: Callable[..., None], *arguments: object) -> None:
    with suppress(RuntimeError):  # closed
        threads.submit(do, *arguments)


def _give_way() -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _LOWEST_PRIORITY)
