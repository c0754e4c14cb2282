"""Runs of the load generator, and fair comparisons of them on a noisy machine."""

import json
import math
import os
import statistics
import subprocess
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONNECTIONS = 20

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_QUIET = 0.1
"""Seconds in which a system that has nothing to do uses no more than a tick of CPU time."""
_LONGEST_REST = 10.0

Report = dict[str, Any]
"""What milterload prints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the load generator: so many sessions at most, begun within so many seconds, from a line on.

    The `seed` tells its triplets from those of other runs; `options` are milterload's.
    """

    workload: Path
    seed: str
    sessions: int
    seconds: float
    first_line: int = 0
    options: tuple[str, ...] = ()


def load(tool: Path, socket: str, pid: int, run: Run, options: tuple[str, ...] = ()) -> Report:
    """Run milterload against the system at `socket`, whose first process is `pid`; `options` are about that system.

    Raises:
        RuntimeError: it printed no report.
    """
    command = [
        *(tool, "--socket", socket, "--server-pid", pid, "--workload", run.workload, "--seed", run.seed),
        *("--sessions", run.sessions, "--seconds", run.seconds, "--first-line", run.first_line),
        *("--concurrency", CONNECTIONS, *run.options, *options),
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    try:
        report: Report = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"milterload ended with {done.returncode}: {done.stderr}") from None
    return report


def rest(pid: int) -> float:
    """Wait until a system has done what a run has left it, and return the CPU seconds that took.

    What is written or learned behind the replies would otherwise be done at the cost of the next system's run.
    """
    begin = before = cpu_seconds({pid})
    deadline = time.monotonic() + _LONGEST_REST
    while time.monotonic() < deadline:
        time.sleep(_QUIET)
        if (now := cpu_seconds({pid})) - before <= _TICK:
            break
        before = now
    return cpu_seconds({pid}) - begin


def cpu_seconds(groups: Container[int]) -> float:
    """Return the CPU time that process groups have used so far, with that of children who have ended."""
    return sum(sum(map(int, fields[11:15])) for _, fields in _processes(groups)) * _TICK


def memory_mb(group: int) -> float:
    """Return the memory of a process group in MB (2^20 octets): what processes share counts once (PSS)."""
    total = 0
    for process, _ in _processes({group}):
        with suppress(OSError):  # it has ended meanwhile
            lines = (process / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def _processes(groups: Container[int]) -> Iterator[tuple[Path, list[str]]]:
    """Yield the processes of process groups: the folder in /proc, and the fields of `stat` from the state on."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[2]) in groups:
            yield process, fields


def machine_seconds() -> float:
    """Return the CPU time that all has used so far, other guests of the host (steal) too."""
    user, nice, system, _idle, _iowait, *interrupts_and_steal = map(int, _first_line(Path("/proc/stat")).split()[1:9])
    return (user + nice + system + sum(interrupts_and_steal)) * _TICK


def _first_line(file: Path) -> str:
    return file.read_text().partition("\n")[0]


def figure(report: Report, metric: str) -> float | None:
    """Return a figure of a report, by its dotted path; None if it has none, as without a single session."""
    value: Any = report
    for key in metric.split("."):
        if key not in value:
            return None
        value = value[key]
    return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The ratios of two systems' figures, each taken within one round; nan without any."""

    median: float
    least: float
    most: float


def ratio(ours: Sequence[Report], theirs: Sequence[Report], metric: str, less: float = 0) -> Ratio:
    """Return the ratio of our figures, `less` something, to theirs, round by round.

    A round in which theirs is 0 (CPU time is counted in ticks) counts as infinite, and one without a figure not at all.

    Raises:
        ValueError: one has more rounds than the other.
    """
    pairs = [(figure(our, metric), figure(their, metric)) for our, their in zip(ours, theirs, strict=True)]
    both = [(our - less, their) for our, their in pairs if our is not None and their is not None]
    ratios = [our / their if their else math.inf for our, their in both] or [math.nan]
    return Ratio(median=statistics.median(ratios), least=min(ratios), most=max(ratios))


def typical(reports: Sequence[Report], metric: str) -> float | None:
    """Return the median of a figure over the rounds, None without any."""
    figures = [value for report in reports if (value := figure(report, metric)) is not None]
    return statistics.median(figures) if figures else None


def afterwards(reports: Sequence[Report]) -> float:
    """Return the CPU time that a system has used after its runs, in microseconds for each session of them."""
    sessions = sum(report["sessions"] for report in reports)
    return sum(report["cpu_seconds_afterwards"] for report in reports) * 1e6 / sessions if sessions else 0.0
