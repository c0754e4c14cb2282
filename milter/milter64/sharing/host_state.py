"""How this host stands with the others, in memory that its workers share: one of them finds it out, all go by it."""

import fcntl
import mmap
import os
import time
import weakref
from contextlib import suppress

_WHOLE, _ALLOWED, _OFFSET, _HOSTS, _LAG, _LOADS, _OWES, _LACKS_ROOM, _SERVERS = range(9)
_EPOCH, _MILLISECONDS, _NUMBER = range(9, 12)
_OWN, _SLOTS, _PER_SLOT = 16, 1024, 8
"""Numbers of the host, workers that there may be, and numbers of each of them."""
_DIRTY, _SENT, _WAITING, _LIMITS_SENT, _LIMITS_WAITING = range(5)
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
        self._numbers = memoryview(mmap.mmap(-1, 8 * (_OWN + _SLOTS * _PER_SLOT))).cast("d")
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

    def measured(self, offset: float) -> None:
        """Note by how many seconds our row time is ahead of the server's clock: before any row is told or heard."""
        self._numbers[_OFFSET] = offset

    def found(self, *, whole: bool, hosts: int, lag: float) -> None:
        """Note that we may share, and how we stand; it counts for two seconds.

        `whole` says that all that the others know is in our own store, up to `lag` seconds, and `hosts` how many share,
        we among them.
        """
        numbers, now = self._numbers, _uptime()
        numbers[_HOSTS], numbers[_LAG] = hosts, lag
        numbers[_ALLOWED] = now
        numbers[_WHOLE] = now if whole else 0.0

    def begins(self, slot: int) -> None:
        """Note that a worker begins; where the one before it was cut off, what that had yet to send is lost."""
        if self._numbers[self._place(slot)]:
            self.owe(everything=True)
        self._numbers[self._place(slot)] = 1.0

    def ends(self, slot: int, *, waiting: int) -> None:
        """Note that a worker ends, with so many rows that it could not send."""
        if waiting:
            self.owe(everything=True)
        place = self._place(slot)
        self._numbers[place : place + _PER_SLOT] = memoryview(bytes(8 * _PER_SLOT)).cast("d")

    def tells(self, slot: int, *, sent: int, waiting: int, limits_sent: int, limits_waiting: int) -> None:
        """Note what a worker has sent in the last minute, and what waits there."""
        place = self._place(slot)
        numbers = self._numbers
        numbers[place + _SENT], numbers[place + _WAITING] = sent, waiting
        numbers[place + _LIMITS_SENT], numbers[place + _LIMITS_WAITING] = limits_sent, limits_waiting

    @property
    def workers(self) -> tuple[int, int, int, int]:
        """What all workers have told, in sum."""
        sums = [sum(self._numbers[_OWN + each :: _PER_SLOT]) for each in range(_SENT, _LIMITS_WAITING + 1)]
        sent, waiting, limits_sent, limits_waiting = map(int, sums)
        return sent, waiting, limits_sent, limits_waiting

    @staticmethod
    def _place(slot: int) -> int:
        return _OWN + slot % _SLOTS * _PER_SLOT

    def refuse(self) -> None:
        """Note that nothing may be shared, at once."""
        self._numbers[_ALLOWED] = self._numbers[_WHOLE] = 0.0

    def loaded(self) -> None:
        """Note that rows were loaded: what was not there before may be now."""
        self._numbers[_LOADS] += 1

    def owe(self, *, everything: bool) -> None:
        """Note whether some of what others are to know is in our own store alone, so that all of it is to be sent."""
        self._numbers[_OWES] = everything

    def lacks_room(self, *, lacks: bool) -> None:
        """Note whether there are too many rows on the servers, so that none that wait are to be added."""
        self._numbers[_LACKS_ROOM] = lacks

    @property
    def lacking_room(self) -> bool:
        """Whether there are too many rows on the servers."""
        return bool(self._numbers[_LACKS_ROOM])

    def read_up_to(self, epoch: int, milliseconds: int, number: int) -> None:
        """Note which entry of the feed was the last that we have, in an epoch by its checksum."""
        numbers = self._numbers
        numbers[_EPOCH], numbers[_MILLISECONDS], numbers[_NUMBER] = epoch, milliseconds, number

    @property
    def position(self) -> tuple[int, int, int]:
        """What was given to `read_up_to` last, zeros at the beginning."""
        epoch, milliseconds, number = self._numbers[_EPOCH : _NUMBER + 1].tolist()
        return int(epoch), int(milliseconds), int(number)

    def meets(self, servers: int) -> bool:
        """Note which servers there are, by a checksum, and return whether these are others than before."""
        before, self._numbers[_SERVERS] = self._numbers[_SERVERS], servers
        return before not in {0, servers}

    @property
    def loads(self) -> float:
        """How often rows were loaded."""
        return self._numbers[_LOADS]

    @property
    def owes(self) -> bool:
        """Whether everything is to be sent."""
        return bool(self._numbers[_OWES])

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
