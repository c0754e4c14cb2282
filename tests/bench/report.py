"""What came of the loads: tables for people, and JSON for programs."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.loads import (
    ALONE,
    EARLIER,
    IN_C,
    LISTED_RSPAMD,
    OPENDMARC,
    PLAIN,
    POSTGREY,
    PREFORK,
    PYSPF,
    RSPAMD,
    SHARED_RSPAMD,
    TUNED_RSPAMD,
    UNLISTED,
    Load,
)
from bench.measure import CONNECTIONS, Ratio, Report, afterwards, typical
from bench.target import CPU, MEMORY, MESSAGES, RATE, Target
from milter64.cli.terminal_layout import Screen

PEERS = {
    PLAIN: "pymilter as everyone writes it: one process, each event is replied to, nothing is looked at.",
    PREFORK: "pymilter at its fastest, as milter64 runs it: a pinned process per CPU, a reply to RCPT alone; it looks"
    " at nothing.",
    IN_C: "libmilter without Python: each event is replied to, nothing is looked at.",
    PYSPF: "SPF for HELO and sender, in one process. No reverse DNS, no greylist, no memory of earlier answers."
    " It adds Authentication-Results to what it accepts. It doesn't decode: half of the clients come through NAT64,"
    " and of these it refuses, at MAIL, all whose domain has an SPF record; they cost it no more after that.",
    RSPAMD: "Its modules spf, greylist, rbl and redis, in Debian's layout: one process speaks milter, and hands each"
    " message to workers, of which there is one on two CPUs. Classifier and all other modules off, and its rules about"
    " headers on, which can't be taken off. It reads the whole message, and"
    " judges at its end. It asks the DNS lists that Debian configures, each message anew; the bench's DNS answers them"
    " at once, that nobody is listed. It greylists what looks suspicious, and remembers SPF records. No reverse DNS of"
    " its own. Its Redis counts as part of it. It doesn't decode, and finds an SPF fail for half of the clients.",
    TUNED_RSPAMD: "The same, at its fastest: a process per CPU, each of which speaks milter and scans by itself.",
    LISTED_RSPAMD: "rspamd as above, in Debian's layout, but that it asks milter64's three DNS lists and no others. It"
    " asks about the client's address, which for half of them is one of NAT64's; it doesn't decode these.",
    SHARED_RSPAMD: "rspamd as above, in Debian's layout, but that it looks for each message in the Redis that milter64"
    " shares, and greylists whatever its score. It knows a message by its body too, which is the same for all here: so"
    " it puts off none after the first. Its Redis doesn't count as part of it, nor as part of milter64.",
    OPENDMARC: "DMARC for the From header, one question a message. It takes SPF's and DKIM's results from the headers"
    " of other milters, of which there are none here, and asks neither itself. No greylist. It needs all headers, each"
    " with a reply, and adds Authentication-Results; milter64's load has neither. It logs to a"
    " syslog that writes to a file and does nothing else.",
    POSTGREY: "A greylist, in one process, and nothing else: no DNS. It is no milter but a policy service: a decision"
    " at RCPT is one question on a connection that is kept. milter64 has a new connection for each, as Postfix gives"
    " milters, with negotiation, HELO and MAIL, and ends its session after the reply to RCPT here.",
    EARLIER: "The memory of milter64's processes before the rounds, after 300,000 sessions of the flood.",
    UNLISTED: "milter64 with the same configuration, but no lists, no DNS lists, no limits and no exceptions.",
    ALONE: "milter64 with the same configuration, but no shared store. With one, another milter64 runs beside it, which"
    " writes all that this one learns to a store of its own.",
}
"""What each system does and doesn't do."""
DISTURBED = 0.1
"""The part of one CPU that other programs may use while we measure, before we say that they did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a load: the reports of each system, by round, and the ratio for each target.

    `faulty` have raised exceptions; `missing` didn't start, each with the reason.
    """

    load: Load
    reports: dict[str, list[Report]]
    ratios: list[tuple[Target, Ratio]]
    faulty: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def doubts(self) -> Iterator[str]:
        """Yield why the figures are not to be trusted, if so."""
        for name, why in self.missing.items():
            yield f"{name} is not measured: {why}"
        for name in self.faulty:
            yield f"{name} raised exceptions"
        for name, reports in self.reports.items():
            if failed := sum(report["failed"] for report in reports):
                yield f"{failed} sessions of {name} had no verdict"
        every = [report for reports in self.reports.values() for report in reports]
        share = sum(report["elsewhere_cpu_seconds"] for report in every) / sum(report["seconds"] for report in every)
        if share > DISTURBED:
            yield f"other programs used {share:.0%} of a CPU meanwhile"


def whole(rounds: int, begun: Mapping[str, object], results: list[Result]) -> dict[str, Any]:
    """Return all that was seen, for programs."""
    return {
        "machine": machine(),
        "begin": begun,
        "end": {"load_average": os.getloadavg()},
        "rounds": rounds,
        "connections": CONNECTIONS,
        "peers": PEERS,
        "loads": [
            {
                "load": asdict(result.load),
                "ratios": [_row(result, target, seen) for target, seen in result.ratios],
                "doubts": list(result.doubts()),
                "reports": result.reports,
            }
            for result in results
        ],
    }


def machine() -> dict[str, Any]:
    """Return what there is to know of this machine."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": _packages(),
    }


def write(file: Path, report: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")


def _row(result: Result, target: Target, seen: Ratio) -> dict[str, Any]:
    """Return a ratio with its target; JSON knows neither infinity nor nan, so these are null."""
    return {
        **asdict(target),
        "metric_in_words": target.in_words,
        **{name: value if math.isfinite(value) else None for name, value in asdict(seen).items()},
        "met": target.met(seen.median),
        "cpu_us_per_session_afterwards": {
            name: round(afterwards(result.reports[name]), 1)
            for name in ("milter64", target.against)
            if name in result.reports
        },
    }


def _packages() -> list[str]:
    """Return the versions of Debian's packages that take part; pyspf has either of two DNS libraries."""
    names = (
        *("libmilter1.0.1", "nsd", "opendmarc", "postfix", "postgrey", "pyspf-milter", "python3-dns"),
        *("python3-dnspython", "python3-milter", "python3-spf", "redis-server", "rspamd"),
    )
    done = subprocess.run(["dpkg-query", "--show", *names], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def show(results: list[Result]) -> None:
    screen = Screen()
    screen.table(_ratios(results, screen), ("LOAD", "AGAINST", "TARGET", "MEDIAN", "SPREAD", "", "CPU AFTERWARDS"))
    screen.line("CPU afterwards: what a session costs after its last reply, which no rate shows")
    screen.line()
    screen.table(_figures(results), ("LOAD", "SYSTEM", "PER SECOND", "CPU A SESSION", "MEMORY"))
    screen.line()
    for result in results:
        for doubt in result.doubts():
            screen.line(screen.paint(f"{result.load.name}: {doubt}", "yellow"))
    shown = {target.against for result in results for target, _ in result.ratios}
    shown = shown.union(*(result.reports for result in results))
    for name, words in PEERS.items():
        if name in shown:
            screen.line(f"{name}: {words}")


def _ratios(results: list[Result], screen: Screen) -> Iterator[tuple[str, ...]]:
    for result in results:
        for target, seen in result.ratios:
            met = target.met(seen.median)
            yield (
                result.load.name,
                target.against,
                str(target),
                f"{seen.median:.2f}x",
                f"{seen.least:.2f} to {seen.most:.2f}",
                screen.paint("met", "green") if met else screen.paint("missed", "red"),
                ", theirs ".join(
                    f"{afterwards(result.reports[name]):,.0f} us"
                    for name in ("milter64", target.against)
                    if name in result.reports
                ),
            )


def _figures(results: list[Result]) -> Iterator[tuple[str, ...]]:
    """Yield each system's own figures, the medians of its rounds."""
    for result in results:
        for name, reports in result.reports.items():
            rate = typical(reports, MESSAGES if result.load.postfix else RATE)
            cpu, memory = typical(reports, CPU), typical(reports, MEMORY)
            yield (
                result.load.name,
                name,
                "-" if rate is None else f"{rate:,.0f}",
                "-" if cpu is None else f"{cpu:,.0f} us",
                "-" if memory is None else f"{memory / 1024:,.0f} MB",
            )
