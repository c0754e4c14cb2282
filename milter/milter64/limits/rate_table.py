"""Counters of how much each network has taken lately, in memory that forked workers share.

A counter is a moment, as GCRA, the generic cell rate algorithm, has it (ITU-T I.371 annex A): when all that was taken
will be made up for. What is taken puts it off by an interval, and it may lie no more than a period ahead; so "60/1h"
allows 60 at once, and then one a minute.

Strangers choose how many counters there are, so the table has room for so many and no more. Nobody can tell which part
of it a network's counters are in, and there its neighbours do most of the crowding: see `RateTable.segment`. Where room
is lacking, the limit gives way that has most counters there, and of its counters the one that is nearest to running
out. So those who have taken much are not forgotten for many who have taken little, nor a wide network for all the
narrow ones in it.

The table outlives reloads, and is used by those with other limits than before: a counter's interval stands beside it.

Where other hosts count too, there stands for each counter, in memory that is touched only then, how much of what was
taken here they have not been told.
"""

import mmap
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from math import ceil, inf

from milter64.address.frozen_dataclass import frozen

_WAYS = 64
"""Counters in a set. Where a counter may be is one set; all of its names, then all moments, then all intervals."""
_WORD = 8
_COLUMN = _WAYS * _WORD
_SET = 3 * _COLUMN
_SEGMENT = 32 * 1024
"""Octets. The first one of the table has the number of counters in each of the others, and who holds which lock."""
_SETS = _SEGMENT // _SET
_ROOM = 16 * 2**20
_KEY = 16
_MUCH = 1 / 3
"""The part of a limit that is taken without asking other hosts, however long ago they were told."""
_SLACK = 0.001
"""The part of an interval by which a moment may be wrong: a period isn't quite so many intervals to a computer."""
_LOCKS = 32
_PAUSES = [0.0001 * 2**n for n in range(10)]
"""Seconds between tries to lock a segment, a tenth of a second in all."""


def _uptime() -> float:
    """Return seconds by a clock that nobody can step."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@frozen
class Counter:
    """A counter, and the limit that is to be kept by it: one each `interval`, or a `period`'s worth at once.

    `limit` is the limit's number, below 255; `name` and `begins` are what `RateTable.place` says. `takes` is False for
    a counter that is only looked at. `known_as` is what other hosts know it by, if there are any.
    """

    limit: int
    name: bytes
    begins: int
    interval: float
    period: float
    takes: bool = True
    known_as: str = ""


class RateTable:
    """The counters. Every thread of every process that was forked since may call everything."""

    def __init__(self, room: int = _ROOM, clock: Callable[[], float] = _uptime) -> None:
        """Begin with none, and never take more than `room`, in octets.

        Raises:
            OSError: the system has no room for them.
        """
        self._clock = clock
        self._key = os.urandom(_KEY)
        self._octets = mmap.mmap(-1, room)  # what was never written takes no memory
        self._moments = memoryview(self._octets).cast("d")
        self._untold = memoryview(mmap.mmap(-1, room // 2)).cast("I")
        """How many others have not been told, at the place of the moment."""
        self._segments = room // _SEGMENT - 1
        self._in_use = memoryview(self._octets)[: 4 * (1 + self._segments)].cast("I")
        self._holders = memoryview(self._octets)[len(self._in_use) * 4 :][: 4 * _LOCKS].cast("I")
        # These alone don't let go of the GIL, as long as nobody else has them: that would cost more than all the rest.
        self._locks = [multiprocessing.get_context("fork").Lock() for _ in range(_LOCKS)]

    def segment(self, block: bytes) -> int:
        """Return the segment that is for a block of addresses, and for some others."""
        return 1 + int.from_bytes(self._digest(block)) % self._segments

    def place(self, segment: int, limit: int, network: bytes) -> tuple[bytes, int]:
        """Return the name of a network's counter for a limit, and where its set begins."""
        digest = self._digest(network)
        return bytes((1 + limit,)) + digest[1:], segment * _SEGMENT + int.from_bytes(digest) % _SETS * _SET

    def take(self, counters: Sequence[Counter], share: float | None = None) -> tuple[Counter, int] | None:
        """Count one more by all counters, which are of one segment.

        If any of them is used up, count nothing, and return the one that must be waited for longest, with the seconds,
        which are never 0.

        Where other hosts count too, `share` is the part of a limit that may be taken here before they are told. If it
        would be more, or little is left, count nothing, and return a counter with 0 seconds: they are to be asked. With
        infinity that is never so.
        """
        segment = counters[0].begins // _SEGMENT
        lock = segment % _LOCKS
        if not self._locked(lock):
            return None  # a limit is no reason to keep anybody waiting
        try:
            return self._take(counters, segment, share)
        finally:
            self._unlock(lock)

    def tell(self, counters: Sequence[Counter]) -> list[tuple[int, float]]:
        """Return for each counter, all of one segment, what others have not been told, which counts as told now.

        That is how many were taken, and in how many seconds all will be made up for, as far as it is known here.
        """
        segment = counters[0].begins // _SEGMENT
        lock = segment % _LOCKS
        if not self._locked(lock):
            return [(0, 0.0)] * len(counters)
        try:
            return self._tell(counters)
        finally:
            self._unlock(lock)

    def put_off(self, counters: Sequence[Counter], seconds: Sequence[float]) -> None:
        """Have counters, all of one segment, made up for in so many seconds, as others say, or later."""
        segment = counters[0].begins // _SEGMENT
        lock = segment % _LOCKS
        if not self._locked(lock):
            return
        try:
            self._put_off(counters, seconds, segment)
        finally:
            self._unlock(lock)

    @property
    def bound(self) -> tuple[int, int]:
        """How many counters there are, with those that have run out and not given way yet, and how many may be."""
        return sum(self._in_use), self._segments * _SETS * _WAYS

    def _digest(self, text: bytes) -> bytes:
        return blake2b(text, key=self._key, digest_size=_WORD).digest()

    def _locked(self, lock: int) -> bool:
        """Lock some segments, unless somebody keeps them for long, such as a process that was stopped."""
        for pause in _PAUSES:
            if self._locks[lock].acquire(block=False):
                self._holders[lock] = os.getpid()
                return True
            time.sleep(pause)
        if not (holder := self._holders[lock]) or not _is_alive(holder):
            self._unlock(lock)  # he was killed over it
        return False

    def _unlock(self, lock: int) -> None:
        self._holders[lock] = 0
        try:  # noqa: SIM105  suppress() takes longer than all of this
            self._locks[lock].release()
        except ValueError:
            pass  # somebody else has done it, who took us for dead

    def _take(self, counters: Sequence[Counter], segment: int, share: float | None) -> tuple[Counter, int] | None:
        now = self._clock()
        moments, worst, longest = self._moments, None, 0.0
        found: list[tuple[Counter, int, float]] = []
        lacking: list[tuple[Counter, float]] = []
        for counter in counters:
            place, moment = self._find(counter), now
            if place and (until := moments[place]) > now:
                moment = until
                if (before := moments[place + _WAYS]) != counter.interval:
                    moment = now + (until - now) / before * counter.interval
                moment = min(moment, now + counter.period)  # as much as anybody can have taken
            moment += counter.interval
            wait = moment - now - counter.period
            if wait > counter.interval * _SLACK and wait > longest:
                worst, longest = counter, wait
            if counter.takes:
                found.append((counter, place, moment)) if place else lacking.append((counter, moment))
        if worst:
            return worst, max(1, ceil(longest))
        if share is not None and (much := self._much(counters, found, lacking, now, share)):
            return much, 0
        self._write(found)
        for counter, moment in lacking:  # only now, as one of those found may have to give way
            place = self._add(counter, moment, segment, now)
            if share is not None:
                self._untold[place] = 1
        return None

    def _much(
        self,
        counters: Sequence[Counter],
        found: Sequence[tuple[Counter, int, float]],
        lacking: Sequence[tuple[Counter, float]],
        now: float,
        share: float,
    ) -> Counter | None:
        """Return one of the counters of which others are to be asked; if there is none, they are yet to be told."""
        if not share:
            return counters[0]
        most = _MUCH if share < inf else inf
        for counter, place, moment in found:
            period = counter.period
            if (self._untold[place] + 1) * counter.interval > share * period or moment - now > most * period:
                return counter
        for counter, _ in lacking:
            if counter.interval > share * counter.period:
                return counter
        for _, place, _ in found:
            self._untold[place] += 1
        return None

    def _tell(self, counters: Sequence[Counter]) -> list[tuple[int, float]]:
        now = self._clock()
        told: list[tuple[int, float]] = []
        for counter in counters:
            place, untold, known = self._find(counter), 0, 0.0
            if place and (left := self._moments[place] - now) > 0:
                known = left / self._moments[place + _WAYS] * counter.interval
                # What was taken long ago, or of a counter that was here before, is of no matter any more.
                untold = min(self._untold[place], ceil(known / counter.interval - _SLACK))
                self._untold[place] = 0
            told.append((untold, known))
        return told

    def _put_off(self, counters: Sequence[Counter], seconds: Sequence[float], segment: int) -> None:
        now, moments = self._clock(), self._moments
        for counter, until in zip(counters, seconds, strict=True):
            if until <= 0:
                continue
            if place := self._find(counter):
                moment = now + until + self._untold[place] * counter.interval
                if moments[place] < moment or moments[place + _WAYS] != counter.interval:
                    self._write([(counter, place, moment)])
            else:
                self._add(counter, now + until, segment, now)

    def _find(self, counter: Counter) -> int:
        """Return where a counter's moment is, 0 if it has none."""
        first, end = counter.begins, counter.begins + _COLUMN
        at = self._octets.find(counter.name, first, end)
        while at >= 0 and at % _WORD:  # the end of one name, and the beginning of the next
            at = self._octets.find(counter.name, at + 1, end)
        return (at + _COLUMN) // _WORD if at >= 0 else 0

    def _make_room(self, counter: Counter, segment: int, now: float) -> int:
        """Return where there is room for a counter's moment, after giving it the counter's name."""
        first = (counter.begins + _COLUMN) // _WORD
        moments = self._moments[first : first + _WAYS].tolist()
        if min(moments) > now:
            limits = self._octets[counter.begins : counter.begins + _COLUMN : _WORD]
            most = max(set(limits), key=limits.count)
            way = min((way for way in range(_WAYS) if limits[way] == most), key=moments.__getitem__)
        else:
            way = moments.index(min(moments))
        name = counter.begins + way * _WORD
        self._in_use[segment] += not self._octets[name]
        self._moments[first + way] = 0.0  # one who is killed from here on leaves a counter that has run out
        self._octets[name : name + _WORD] = counter.name
        return first + way

    def _add(self, counter: Counter, moment: float, segment: int, now: float) -> int:
        """Have a counter that there was none of, and return where."""
        place = self._make_room(counter, segment, now)
        self._write([(counter, place, moment)])
        return place

    def _write(self, found: Iterable[tuple[Counter, int, float]]) -> None:
        """Put counters' moments off; who is killed over it has counted for nothing."""
        moments = self._moments
        for counter, place, moment in found:
            moments[place + _WAYS] = counter.interval
            moments[place] = moment
