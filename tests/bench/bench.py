"""`make bench`: how fast milter64 is, beside milters that do nothing and beside its peers.

All run on this machine, under the same load generator and against the same DNS, one after another in interleaved
rounds; each figure is the median of the ratios within a round. In the environment ROUNDS says how many, seven by
default, and LOADS which loads, by name, all by default. Nothing is asserted: a target that is missed is shown so, and
the exit code is 0 all the same.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from bench import listed, world
from bench.bout import Bout
from bench.chart import draw
from bench.loads import Load, chosen
from bench.progress import Progress
from bench.report import Result, show, whole, write
from milter64.cli.terminal_layout import Screen
from rig.lab import Lab
from rig.nsd import Nsd

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "build" / "bench"
REPORT = BUILD / "report.json"
CHART = BUILD / "speed.svg"
TOOLS = {"milterload": (), "acceptall": ("-lmilter", "-lpthread"), "dnsdelay": ()}
"""The tools in C, each with its libraries."""
ROUNDS = 7
INTERRUPTED = 130
"""What a shell makes of a program that Ctrl-C has ended."""


def main() -> int:
    try:
        rounds, loads = arguments(os.environ)
    except ValueError as error:
        Screen(sys.stderr).line(str(error))
        return os.EX_USAGE
    if os.geteuid():
        Screen(sys.stderr).line("The bench runs real servers, and that needs root.")
        return os.EX_UNAVAILABLE
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    begun = {"time": time.strftime("%FT%TZ", time.gmtime()), "load_average": os.getloadavg()}
    results: list[Result] = []
    try:
        _measure(loads, rounds, Progress(), results.append)
    except KeyboardInterrupt:
        Screen().line("\nInterrupted; all that was started is stopped.")
        return INTERRUPTED
    finally:
        if results:
            _tell(rounds, begun, results)
    return os.EX_OK


def _tell(rounds: int, begun: Mapping[str, object], results: list[Result]) -> None:
    """Write and show what has been measured so far."""
    report = whole(rounds, begun, results)
    write(REPORT, report)
    CHART.write_text(draw(report))
    show(results)
    Screen().line(f"All figures: {REPORT}\nChart:       {CHART}")


def arguments(environment: Mapping[str, str]) -> tuple[int, tuple[Load, ...]]:
    """Return how many rounds are to be run, and of which loads.

    Raises:
        ValueError: ROUNDS is no number from 1 on, or LOADS names none.
    """
    return rounds_of(environment, ROUNDS), chosen(environment.get("LOADS", "").replace(",", " ").split())


def rounds_of(environment: Mapping[str, str], default: int) -> int:
    """Return how many rounds are to be run.

    Raises:
        ValueError: ROUNDS is no number from 1 on.
    """
    text = environment.get("ROUNDS") or str(default)
    if not text.isdecimal() or not int(text):
        raise ValueError(f"ROUNDS must be a number from 1 on, not {text}")
    return int(text)


def interrupt(*_: object) -> NoReturn:
    """Leave all `with` blocks, which clean up; a second Ctrl-C must not cut that short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _measure(loads: tuple[Load, ...], rounds: int, progress: Progress, on_result: Callable[[Result], object]) -> None:
    with Lab() as lab:
        progress.begin("building the tools and the world")
        build()
        nsd = lab.start(Nsd, world.zones() | listed.zones())
        progress.end()
        for number, each in enumerate(loads, 1):
            progress.begin(f"{number}/{len(loads)} {each.name}")
            with Lab() as stage:
                on_result(Bout(each, stage, nsd, BUILD).run(rounds, progress))
            progress.end()


def build() -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    for tool, libraries in TOOLS.items():
        subprocess.run(
            ["cc", "-O2", "-Wall", "-Wextra", "-o", BUILD / tool, HERE / f"{tool}.c", *libraries], check=True
        )
    workloads = {f"{name}.tsv": lines for name, lines in world.workloads().items()}
    for name, lines in (workloads | listed.files()).items():
        (BUILD / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
