"""Row time, by which rows are dated: it goes on whatever is done to the host's clock, and follows no clock gone astray.

At start it is wall time, but no earlier than the latest row: a clock that was set back forgives and delays nobody. From
then on CLOCK_BOOTTIME advances it, also for the workers of a reload and those that replace others: all of a service
have one time. Between two starts the clock may have leapt by more than a row is remembered for:

    wall time is later than the latest row by as much ---> the latest row's: else all would have expired at once
    earlier by as much, and before milter64 was made ----> the latest row's: a clock without a battery begins in 1970
    earlier by as much otherwise ------------------------> wall time: the latest row was written by a clock gone astray

Where the service has been down for longer than that, the time until then doesn't count, and nobody is forgotten for it.
"""

import time
from typing import Protocol

BOOTED = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
"""When the host was booted, as the clock had it when the service was started, and not when a worker was."""
_MADE = 1767225600.0
"""2026, before which no clock is right that dates our rows."""


class Dated(Protocol):
    """What a clock begins by: a store, or who reads its file."""

    def latest(self) -> float | None:
        """As `Store.latest`."""

    @property
    def gone(self) -> bool:
        """As `Store.gone`."""


class RowClock:
    """Calling it gives row time, in seconds since 1970."""

    def __init__(self, store: Dated, leap: float) -> None:
        """Begin by the store's latest row; `leap` is how many seconds wall time may be away from it to be believed."""
        self._store = store
        self._leap = leap
        self._begin()

    def _begin(self) -> None:
        latest = self._store.latest()
        self._begun = latest is not None or not self._store.gone
        uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._offset = _start(BOOTED + uptime, latest, self._leap) - uptime

    def __call__(self) -> float:
        """Return seconds since 1970. A store that is gone can't say how late it is; it is asked again."""
        if not self._begun:
            self._begin()
        return self._offset + time.clock_gettime(time.CLOCK_BOOTTIME)


def _start(wall: float, latest: float | None, leap: float) -> float:
    if latest is None:
        return wall
    if abs(wall - latest) <= leap:
        return max(wall, latest)
    return latest if wall > latest or wall < _MADE else wall
