"""What grows in `make bench GROWTH=1`, and by which steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.world import HOT_SESSIONS

_PAIRS = 8_000
"""Senders of the axis `rows`: more than a worker's cache has rows, as they take turns; and fewer than the least file
has."""
_KNOWN, _FIRST = "known senders", "first tries, suspects greylisted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A service and its load: `at` is its place on the axis.

    Of so many known `senders`, from so many `hosts`, the greylist's file has the rows, among `rows` if that is more.
    Without senders all come for the first time, and DNS is `dns` milliseconds away. Of the sessions `warm` come first.
    """

    at: int
    senders: int = HOT_SESSIONS
    hosts: int = HOT_SESSIONS
    rows: int = 0
    workers: int = 2
    dns: int = 0
    warm: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What grows, all else being the same: its title has the unit.

    Latency is measured while `per_second` sessions begin.
    """

    name: str
    title: str
    load: str
    points: tuple[Point, ...]
    per_second: int


AXES = (
    Axis(
        name="rows",
        title="rows in the greylist's file",
        load=f"{_KNOWN}, {_PAIRS:,} of {HOT_SESSIONS} hosts",
        points=tuple(
            Point(at=rows, rows=rows, senders=_PAIRS, warm=4_000) for rows in (10_000, 100_000, 1_000_000, 10_000_000)
        ),
        per_second=200,
    ),
    Axis(
        name="senders",
        title="senders who come in turn",
        load=_KNOWN,
        # Enough come first to fill the caches.
        points=tuple(
            Point(at=senders, senders=senders, hosts=senders, warm=min(2 * senders, 20_000) + 1_000)
            for senders in (100, 1_000, 10_000, 100_000)
        ),
        per_second=200,
    ),
    Axis(
        name="workers",
        title="workers",
        load=f"{_KNOWN}, {HOT_SESSIONS}",
        # Each worker is to have met most of the senders.
        points=tuple(
            Point(at=workers, workers=workers, warm=2 * HOT_SESSIONS * workers) for workers in (1, 2, 4, 8, 16)
        ),
        per_second=200,
    ),
    Axis(
        name="dns",
        title="ms until DNS answers",
        load=_FIRST,
        points=tuple(Point(at=dns, senders=0, dns=dns, warm=40) for dns in (0, 5, 20, 100, 500)),
        per_second=20,
    ),
)


def turns(axes: Sequence[Axis], number: int) -> list[tuple[Axis, Point]]:
    """Return the points of round `number`, counted from 1, in their order; every second round goes backwards."""
    order = [(axis, point) for axis in axes for point in axis.points]
    return order if number % 2 else order[::-1]
