"""How this host stands with the others, in memory that its workers share: one of them finds it out, all go by it."""

import fcntl
import mmap
import os
import time
import weakref
from contextlib import suppress

_PLACES = _WHOLE, _ALLOWED, _OFFSET, _HOSTS, _LAG = range(5)
_FRESH = 2.0
"""Seconds that what was found out counts."""


def _uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class HostState:
    """Made before the workers are forked. Every thread may call everything."""

    def __init__(self) -> None:
        """Begin with nothing found out.

        Raises:
            OSError: the system has no room for it.
        """
        self._numbers = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._role = os.memfd_create("sharing")
        weakref.finalize(self, os.close, self._role)
        self._held = -1

    def takes_role(self) -> bool:
        """Whether this worker is the one that finds out: the first that asks, until it is gone."""
        if self._held >= 0:
            return True
        own = os.open(
            f"/proc/self/fd/{self._role}", os.O_RDWR | os.O_CLOEXEC
        )  # another open file, with a lock of its own
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(own)
            return False
        self._held = own
        return True

    def leave_role(self) -> None:
        """Let another worker have it."""
        held, self._held = self._held, -1
        with suppress(OSError):
            os.close(held)

    def found(self, *, whole: bool, offset: float, hosts: int, lag: float) -> None:
        """Note that we may share, and how we stand; it counts for two seconds.

        `whole` says that all that the others know is in our own store, up to `lag` seconds. `offset` is by how many
        seconds our row time is ahead of the server's clock, and `hosts` how many share, we among them.
        """
        numbers, now = self._numbers, _uptime()
        numbers[_OFFSET], numbers[_HOSTS], numbers[_LAG] = offset, hosts, lag
        numbers[_ALLOWED] = now
        numbers[_WHOLE] = now if whole else 0.0

    def refuse(self) -> None:
        """Note that nothing may be shared, at once."""
        self._numbers[_ALLOWED] = self._numbers[_WHOLE] = 0.0

    @property
    def whole(self) -> bool:
        """Whether our own store has all that the others know."""
        return _uptime() - self._numbers[_WHOLE] < _FRESH

    @property
    def allowed(self) -> bool:
        """Whether something may be shared: the server answers, and neither its format nor a clock forbids it."""
        return _uptime() - self._numbers[_ALLOWED] < _FRESH

    @property
    def offset(self) -> float:
        """By how many seconds our row time is ahead of the server's clock."""
        return self._numbers[_OFFSET]

    @property
    def hosts(self) -> int:
        """How many share, 1 or more."""
        return max(1, int(self._numbers[_HOSTS]))

    @property
    def lag(self) -> float:
        """How many seconds behind the others' news we were at the last look."""
        return self._numbers[_LAG]
