"""`make bench GROWTH=1`: how memory, latency and throughput go with rows, senders, workers and DNS's delay.

Of each point of axes.py a service is started anew in each of so many interleaved rounds, three unless ROUNDS says
otherwise. Throughput is that of as many connections as in `make bench`, as fast as they go; latency is that until the
reply to RCPT at a steady rate, which all points of an axis bear; memory is what the service's processes take after
both. Nothing is asserted. The greylist's files of the axis `rows` take some GB meanwhile.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence

from bench import crowd, growth_chart, world
from bench.axes import AXES, Axis, turns
from bench.bench import BUILD, INTERRUPTED, build, interrupt, rounds_of
from bench.growth_report import show, whole
from bench.measure import Report
from bench.progress import Progress
from bench.report import write
from bench.turn import Turns
from milter64.cli.terminal_layout import Screen
from rig.lab import Lab
from rig.nsd import Nsd

REPORT = BUILD / "growth.json"
CHART = BUILD / "growth.svg"
ROUNDS = 3
SECONDS = 2.0
"""As fast as it goes, in each turn."""


def main() -> int:
    try:
        rounds = arguments(os.environ)
    except ValueError as error:
        Screen(sys.stderr).line(str(error))
        return os.EX_USAGE
    if os.geteuid():
        Screen(sys.stderr).line("The bench runs real servers, and that needs root.")
        return os.EX_UNAVAILABLE
    BUILD.mkdir(parents=True, exist_ok=True)
    if said := lacking(AXES, shutil.disk_usage(BUILD).free):
        Screen(sys.stderr).line(said)
        return os.EX_UNAVAILABLE
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    begun = {"time": time.strftime("%FT%TZ", time.gmtime()), "load_average": os.getloadavg()}
    turned: dict[tuple[str, int], list[Report]] = {(axis.name, point.at): [] for axis in AXES for point in axis.points}
    try:
        build()
        with Lab() as lab:
            measure(AXES, rounds, Turns(BUILD, lab.start(Nsd, world.zones()), SECONDS), turned)
    except KeyboardInterrupt:
        Screen().line("\nInterrupted; all that was started is stopped.")
        return INTERRUPTED
    finally:
        if any(turned.values()):
            report = whole(begun, AXES, complete(turned))
            write(REPORT, report)
            CHART.write_text(growth_chart.draw(report))
            show(report)
            Screen().line(f"All figures: {REPORT}\nChart:       {CHART}")
    return os.EX_OK


def arguments(environment: Mapping[str, str]) -> int:
    """Return how many rounds are to be run.

    Raises:
        ValueError: ROUNDS is no number from 1 on, or LOADS is given, and there are none here.
    """
    if environment.get("LOADS"):
        raise ValueError("GROWTH=1 runs loads of its own: leave out LOADS")
    return rounds_of(environment, ROUNDS)


def lacking(axes: Sequence[Axis], free: int) -> str:
    """Say what is missing where the greylist's files find no room in so many octets; nothing if all is well."""
    needed = sum(crowd.octets(max(point.rows, point.senders)) for axis in axes for point in axis.points)
    return "" if free >= needed else f"{BUILD} needs {needed / 1e9:.1f} GB, and there are {free / 1e9:.1f}"


def complete(turned: Mapping[tuple[str, int], list[Report]]) -> dict[tuple[str, int], list[Report]]:
    """Return the turns of the rounds that all points have had; all turns if it was interrupted in the first."""
    rounds = min(map(len, turned.values())) or None
    return {point: turns_of_it[:rounds] for point, turns_of_it in turned.items()}


def measure(axes: Sequence[Axis], rounds: int, taker: Turns, turned: Mapping[tuple[str, int], list[Report]]) -> None:
    """Have each point take its turn in each round, and add what came of it to `turned`."""
    progress = Progress()
    try:
        progress.begin("writing greylists")
        for axis, point in turns(axes, 1):
            progress.now(f"{axis.name} {point.at:,}")
            taker.prepare(axis, point)
        os.sync()  # lest the disk is still busy with them while we measure
        progress.end()
        for number in range(1, rounds + 1):
            progress.begin(f"round {number} of {rounds}")
            for axis, point in turns(axes, number):
                progress.now(f"{axis.name} {point.at:,}")
                turned[axis.name, point.at].append(taker.take(axis, point))
            progress.end()
    finally:
        for axis, point in turns(axes, 1):
            taker.clean(axis, point)


if __name__ == "__main__":
    sys.exit(main())
