"""What came of the loads: a table for people, and JSON for programs."""

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.loads import PYSPF, Load, Target
from bench.measure import CONNECTIONS, Ratio, Report
from milter64.cli.screen import Screen

PEERS = {
    PYSPF: "SPF for HELO and sender, in one process. No reverse DNS, no greylist, no memory of earlier answers."
    " It adds Authentication-Results to what it accepts. It doesn't decode: half of the clients come through NAT64,"
    " and of these it refuses, at MAIL, all whose domain has an SPF record; they cost it no more after that.",
}
"""What each peer does and doesn't do."""
DISTURBED = 0.1
"""The part of one CPU that other programs may use while we measure, before we say that they did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a load: the reports of each system, by round, and the ratio for each target."""

    load: Load
    reports: dict[str, list[Report]]
    ratios: list[tuple[Target, Ratio]]
    faulty: list[str]

    def doubts(self) -> Iterator[str]:
        """Yield why the figures are not to be trusted, if so."""
        for name in self.faulty:
            yield f"{name} raised exceptions"
        for name, reports in self.reports.items():
            if failed := sum(report["failed"] for report in reports):
                yield f"{failed} sessions of {name} had no verdict"
        every = [report for reports in self.reports.values() for report in reports]
        share = sum(report["elsewhere_cpu_seconds"] for report in every) / sum(report["seconds"] for report in every)
        if share > DISTURBED:
            yield f"other programs used {share:.0%} of a CPU meanwhile"


def write(file: Path, rounds: int, begun: Mapping[str, object], results: list[Result]) -> None:
    """Write all that was seen, for programs."""
    machine = {
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": _packages(),
    }
    loads = [
        {
            "load": asdict(result.load),
            "ratios": [
                {**asdict(target), **asdict(seen), "met": target.met(seen.median)} for target, seen in result.ratios
            ],
            "doubts": list(result.doubts()),
            "reports": result.reports,
        }
        for result in results
    ]
    whole = {
        "machine": machine,
        "begin": begun,
        "end": {"load_average": os.getloadavg()},
        "rounds": rounds,
        "connections": CONNECTIONS,
        "peers": PEERS,
        "loads": loads,
    }
    file.write_text(json.dumps(whole, indent=1) + "\n")


def _packages() -> list[str]:
    """Return the versions of Debian's packages that take part; pyspf has either of two DNS libraries."""
    names = (
        "libmilter1.0.1",
        "nsd",
        "pyspf-milter",
        "python3-dns",
        "python3-dnspython",
        "python3-milter",
        "python3-spf",
    )
    done = subprocess.run(["dpkg-query", "--show", *names], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def show(results: list[Result]) -> None:
    screen = Screen()
    rows = []
    for result in results:
        for target, seen in result.ratios:
            met = target.met(seen.median)
            rows.append(
                (
                    result.load.name,
                    target.against,
                    str(target),
                    f"{seen.median:.2f}x",
                    f"{seen.least:.2f} to {seen.most:.2f}",
                    screen.paint("met", "green") if met else screen.paint("missed", "red"),
                )
            )
    screen.table(rows, ("LOAD", "AGAINST", "TARGET", "MEDIAN", "SPREAD", ""))
    screen.line()
    for result in results:
        for doubt in result.doubts():
            screen.line(screen.paint(f"{result.load.name}: {doubt}", "yellow"))
    for name, words in PEERS.items():
        screen.line(f"{name}: {words}")
