"""`make bench`: how fast milter64 is, beside milters that do nothing and beside its peers.

All run on this machine, under the same load generator and against the same DNS, one after another in interleaved
rounds; each figure is the median of the ratios within a round. ROUNDS in the environment says how many, seven by
default. Nothing is asserted: a target that is missed is shown so, and the exit code is 0 all the same.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from bench import world
from bench.loads import IN_C, LOADS, PLAIN, PREFORK, PYSPF, Load
from bench.measure import Report, Run, cpu_seconds, load, machine_seconds, ratio, rest
from bench.report import Result, show, write
from bench.systems import DelayedDns, InC, Milter64, Plain, Prefork, PySpfMilter, System
from milter64.cli.screen import Screen
from rig.lab import Lab
from rig.nsd import Nsd

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "build" / "bench"
REPORT = BUILD / "report.json"
TOOLS = {"milterload": (), "acceptall": ("-lmilter", "-lpthread"), "dnsdelay": ()}
"""The tools in C, each with its libraries."""
OURS = "milter64"
CONFIGURATION = """
{load}
greylist.delay = "1s"
greylist.store = "sqlite:{store}"
headers.authentication_results = {headers}
dns.nameservers = ["127.0.0.1:{dns}"]
log.format = "logfmt"
"""
INTERRUPTED = 130
"""What a shell makes of a program that Ctrl-C has ended."""


class Progress:
    """Says on a terminal what is being done, on one line; elsewhere a line for each load."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()

    def begin(self, what: str) -> None:
        """Announce a part of the whole."""
        self._what = what
        sys.stdout.write(what if self._live else f"{what}\n")
        sys.stdout.flush()

    def now(self, detail: str) -> None:
        """Say where in it we are."""
        if self._live:
            sys.stdout.write(f"\r\x1b[K{self._what}: {detail}")
            sys.stdout.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            sys.stdout.write("\r\x1b[K")


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    rounds = int(os.environ.get("ROUNDS") or 7)
    progress = Progress()
    begun = {"time": time.strftime("%FT%TZ", time.gmtime()), "load_average": os.getloadavg()}
    try:
        results = _measure(rounds, progress)
    except KeyboardInterrupt:
        Screen().line("\nInterrupted; all that was started is stopped.")
        return INTERRUPTED
    write(REPORT, rounds, begun, results)
    show(results)
    Screen().line(f"All figures: {REPORT}")
    return os.EX_OK


def _interrupt(*_: object) -> NoReturn:
    """Leave all `with` blocks, which clean up; a second Ctrl-C must not cut that short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _measure(rounds: int, progress: Progress) -> list[Result]:
    with Lab() as lab:
        progress.begin("building the tools and the world")
        _build()
        nsd = lab.start(Nsd, world.zones())
        progress.end()
        results = []
        for number, each in enumerate(LOADS, 1):
            progress.begin(f"{number}/{len(LOADS)} {each.name}")
            with Lab() as stage:
                results.append(_Bench(each, stage, nsd).run(rounds, progress))
            progress.end()
        return results


def _build() -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    for tool, libraries in TOOLS.items():
        subprocess.run(
            ["cc", "-O2", "-Wall", "-Wextra", "-o", BUILD / tool, HERE / f"{tool}.c", *libraries], check=True
        )
    for name, lines in world.workloads().items():
        _workload(name).write_text("\n".join(lines) + "\n")


def _workload(name: str) -> Path:
    return BUILD / f"{name}.tsv"


class _Bench:
    """One load, and the systems that it is put on, all of them up at once."""

    def __init__(self, of: Load, lab: Lab, nsd: Nsd) -> None:
        self._load = of
        self._dns = lab.start(DelayedDns, BUILD, nsd.port, of.dns).port if of.dns else nsd.port
        self._systems = {name: self._start(name, lab) for name in (OURS, *of.systems)}
        self._groups = {nsd.pid, *(server.pid for server in lab.servers), os.getpgrp()}

    def run(self, rounds: int, progress: Progress) -> Result:
        """Warm up, measure, and compare; every second round goes the other way about."""
        progress.now("warming up")
        if self._load.hot:
            self._pass_greylist()
        for system in self._systems.values():
            self._run_once(system, 0)
        reports: dict[str, list[Report]] = {name: [] for name in self._systems}
        for number in range(1, rounds + 1):
            systems = list(self._systems.items())
            for name, system in systems if number % 2 else reversed(systems):
                progress.now(f"round {number} of {rounds}, {name}")
                reports[name].append(self._run_once(system, number))
        ratios = [
            (target, ratio(reports[OURS], reports[target.against], target.metric)) for target in self._load.targets
        ]
        faulty = [name for name, system in self._systems.items() if "Traceback" in system.output]
        return Result(load=self._load, reports=reports, ratios=ratios, faulty=faulty)

    def _start(self, name: str, lab: Lab) -> System:
        match name:
            case _ if name == PLAIN:
                return lab.start(Plain)
            case _ if name == PREFORK:
                return lab.start(Prefork)
            case _ if name == IN_C:
                return lab.start(InC, BUILD)
            case _ if name == PYSPF:
                return lab.start(PySpfMilter, self._dns)
        return lab.start(Milter64, self._configuration())

    def _configuration(self) -> str:
        """Return milter64's configuration, with a store that is new and on the disk of the build."""
        store = BUILD / "greylist.sqlite"
        for file in BUILD.glob(f"{store.name}*"):
            file.unlink()
        return CONFIGURATION.format(
            load=self._load.configuration, store=store, headers=str(self._load.headers).lower(), dns=self._dns
        )

    def _pass_greylist(self) -> None:
        """Have the triplets of `hot` come back to milter64 until all have waited long enough."""
        once = Run(workload=_workload("hot"), seed="", sessions=world.HOT_SESSIONS, seconds=60)
        ours = self._systems[OURS]
        while load(BUILD / "milterload", ours.socket, ours.pid, once)["replies"].get("rcpt.450"):
            time.sleep(1)  # the greylist's delay

    def _run_once(self, system: System, number: int) -> Report:
        """Put the load on a system; each round has triplets of its own, and lines if there are enough."""
        run = Run(
            workload=_workload(self._load.workload),
            seed=f"r{number}",
            sessions=self._load.sessions,
            seconds=self._load.seconds,
            first_line=number * self._load.sessions % world.DOMAINS if self._load.workload == "fresh" else 0,
        )
        before = machine_seconds() - cpu_seconds(self._groups)
        report = load(BUILD / "milterload", system.socket, system.pid, run)
        elsewhere = machine_seconds() - cpu_seconds(self._groups) - before - report["generator_cpu_seconds"]
        report["elsewhere_cpu_seconds"] = round(elsewhere, 2)
        report["cpu_seconds_afterwards"] = rest(system.pid)
        return report


if __name__ == "__main__":
    sys.exit(main())
