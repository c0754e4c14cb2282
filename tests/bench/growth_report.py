"""What came of `make bench GROWTH=1`: tables for people, and JSON for programs."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.axes import Axis
from bench.measure import CONNECTIONS, Report, figure
from bench.report import DISTURBED, machine
from milter64.cli.terminal_layout import Screen

FIGURES = {
    "throughput": "fast.sessions_per_second",
    "p50": "steady.latency_ms.until_rcpt.p50",
    "p99": "steady.latency_ms.until_rcpt.p99",
    "memory": "memory_mb",
}
"""What is shown of a turn, by the path in its report: sessions/s, ms until the reply to RCPT, MB."""

Turned = Mapping[tuple[str, int], Sequence[Report]]
"""The turns that points have had, by the name of the axis and the place on it."""


def whole(begun: Mapping[str, object], axes: Sequence[Axis], turned: Turned) -> dict[str, Any]:
    """Return all that was seen; of each point's figures the median and the spread, None where there is none."""
    return {
        "machine": machine(),
        "begin": begun,
        "rounds": max(map(len, turned.values())),
        "connections": CONNECTIONS,
        "axes": [
            {
                **{key: value for key, value in asdict(axis).items() if key != "points"},
                "points": [
                    {
                        **asdict(point),
                        "figures": {name: _spread(turned[axis.name, point.at], path) for name, path in FIGURES.items()},
                        "doubts": list(_doubts(turned[axis.name, point.at])),
                        "turns": list(turned[axis.name, point.at]),
                    }
                    for point in axis.points
                ],
            }
            for axis in axes
        ],
    }


def _spread(turns: Sequence[Report], path: str) -> dict[str, float] | None:
    seen = [value for turn in turns if (value := figure(turn, path)) is not None]
    return {"median": statistics.median(seen), "least": min(seen), "most": max(seen)} if seen else None


def _doubts(turns: Sequence[Report]) -> Iterator[str]:
    """Yield why the figures of a point are not to be trusted, if so."""
    if failed := sum(turn[load]["failed"] for turn in turns for load in ("fast", "steady")):
        yield f"{failed} sessions had no verdict"
    if exceptions := sum(turn["exceptions"] for turn in turns):
        yield f"it raised {exceptions} exceptions"
    if turns and (share := statistics.median(turn["elsewhere_cpus"] for turn in turns)) > DISTURBED:
        yield f"other programs used {share:.0%} of a CPU meanwhile"


def show(report: Mapping[str, Any]) -> None:
    """Write a table for each axis."""
    screen = Screen()
    for axis in report["axes"]:
        screen.title(f"{axis['title']}: {axis['load']}; latency at {axis['per_second']} sessions/s")
        head = (axis["name"].upper(), "PER SECOND", "", "RCPT P50 MS", "", "RCPT P99 MS", "", "MEMORY MB", "")
        screen.table(([f"{point['at']:,}", *_cells(point["figures"])] for point in axis["points"]), head)
        for point in axis["points"]:
            for doubt in point["doubts"]:
                screen.line(screen.paint(f"{point['at']:,}: {doubt}", "yellow"))
        screen.line()


def _cells(figures: Mapping[str, Mapping[str, float] | None]) -> Iterator[str]:
    """Yield the median and the spread of each figure."""
    for seen in figures.values():
        if seen:
            yield short(seen["median"])
            yield spread(seen)
        else:
            yield from ("-", "")


def in_words(seen: Mapping[str, float]) -> str:
    """Return the median of a figure and its spread."""
    return f"{short(seen['median'])} ({spread(seen)})"


def spread(seen: Mapping[str, float]) -> str:
    return f"{short(seen['least'])} to {short(seen['most'])}"


def short(value: float) -> str:
    """Return a figure with as many digits as say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
