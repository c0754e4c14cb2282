"""When a line of a log was written, by what stands at its beginning.

Syslog's traditional stamp has neither a year nor a time zone: "Nov 29 02:15:18". The zone is this host's. The year of
the first line is the latest by which it isn't later than the file itself; each other line is of the year that brings it
nearest to the line before it. So a log goes from December into January, and a line that is a little late doesn't take
it back.
"""

import calendar
import time
from datetime import datetime

_DAY = 86400.0
_MONTHS = {name.encode(): number for number, name in enumerate(calendar.month_abbr) if number}
_BEHIND = {b"%02d:%02d" % (minute, second): 60 * minute + second for minute in range(60) for second in range(61)}
"""Seconds behind the hour; a leap second is one."""
_BACK = 9
"""Years in which there is a 29th of February, whichever they are."""


class LineTimes:
    """Calling it with a line's stamp gives seconds since 1970; for one log, and in its order."""

    def __init__(self, written: float) -> None:
        """`written` is when the first file of the log was last written to."""
        self._latest = written + _DAY
        """What the first line isn't later than; others' clocks, and zones, may be wrong."""
        self._last: float | None = None
        self._hour, self._hour_began = b"", 0.0
        self._stamp, self._time = b"", 0.0

    def __call__(self, stamp: bytes) -> float:
        """Return the time in a stamp, traditional or of ISO 8601.

        Raises:
            ValueError: there is no such time.
        """
        if stamp != self._stamp:
            self._time = self._traditional(stamp) if stamp[:1].isalpha() else _iso(stamp)
            self._stamp = stamp
        return self._time

    def _traditional(self, stamp: bytes) -> float:
        hour = stamp[:9]
        if hour != self._hour:
            self._hour_began = self._began(hour)
            self._hour = hour
        try:
            self._last = self._hour_began + _BEHIND[stamp[10:15]]
        except KeyError:
            raise ValueError(f"{stamp!r} is no time") from None
        return self._last

    def _began(self, hour: bytes) -> float:
        """Return when an hour such as b"Nov 29 02" began."""
        month, day, of_day = _MONTHS.get(hour[:3], 0), int(hour[4:6]), int(hour[7:9])
        latest = self._latest if self._last is None else self._last + _BACK * 366 * _DAY
        year = time.localtime(latest).tm_year
        possible = [began for y in range(year, year - 2 * _BACK, -1) if (began := _local(y, month, day, of_day))]
        if not possible:
            raise ValueError(f"{hour!r} is no hour")
        if self._last is None:
            return next((began for began in possible if began <= latest), possible[-1])
        return min(possible, key=lambda began: abs(began - (self._last or 0.0)))


def _local(year: int, month: int, day: int, hour: int) -> float:
    """Return when an hour of this host's time began, 0 if there is no such day."""
    if not month or not 1 <= day <= calendar.monthrange(year, month)[1] or hour >= 24:  # noqa: PLR2004  hours of a day
        return 0.0
    return time.mktime((year, month, day, hour, 0, 0, 0, 0, -1))


def _iso(stamp: bytes) -> float:
    return datetime.fromisoformat(stamp.decode()).timestamp()
