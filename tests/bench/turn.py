"""A turn of a point of an axis: its service is started anew, alone, warmed up, measured and stopped."""

import os
import time
from pathlib import Path

from bench import crowd, world
from bench.axes import Axis, Point
from bench.bout import CONFIGURATION
from bench.loads import SUSPECT
from bench.measure import Report, Run, cpu_seconds, load, machine_seconds, memory_mb, rest
from bench.systems import DelayedDns, Milter64
from rig.lab import Lab
from rig.nsd import Nsd

ROOMY = Path(__file__).with_name("roomy.py")
TO_ALL = 'greylist.apply = "all"'
STEADY_CONNECTIONS = 200
"""As many may be in flight at a steady rate, so that nobody waits for another's session to end."""
_MANY = 1_000_000
_LONGEST = 600.0


class Roomy(Milter64):
    """milter64 without the bound of its greylist's file."""

    program = (*Milter64.program[:2], f'exec "$0" -P {ROOMY} run --config "$1" 2>"$1.log"', Milter64.program[-1])


class Turns:
    """Takes turns with the tools and sessions in a folder, where the points' files are too."""

    def __init__(self, build: Path, nsd: Nsd, seconds: float) -> None:
        """Measure for so many seconds as fast as it goes, and half as long again at a steady rate."""
        self._build, self._nsd, self._seconds = build, nsd, seconds

    def prepare(self, axis: Axis, point: Point) -> None:
        """Write the sessions of known senders, and the greylist's file that knows them."""
        if point.senders:
            known = list(world.acquaintances(point.senders, point.hosts))
            self._sessions(axis, point).write_text("".join(f"{line}\n" for line, _ in known))
            crowd.prepare(self._store(axis, point), known, point.rows)

    def take(self, axis: Axis, point: Point) -> Report:
        """Return what milterload has reported of both loads, memory after them, and who else used the CPUs."""
        if not point.senders:
            crowd.remove(self._store(axis, point))  # all come for the first time, in each round
        with Lab() as lab:
            nsd = self._nsd.port
            dns = nsd if point.senders else lab.start(DelayedDns, self._build, nsd, point.dns).port
            service = lab.start(Roomy if point.rows else Milter64, self._configuration(axis, point, dns))
            groups = {self._nsd.pid, os.getpgrp(), *(server.pid for server in lab.servers)}
            done = 0

            def run(sessions: int, seconds: float, *options: str) -> Report:
                nonlocal done
                run = Run(
                    workload=self._sessions(axis, point),
                    seed="",
                    sessions=sessions,
                    seconds=seconds,
                    first_line=done,
                    options=options,
                )
                report = load(self._build / "milterload", service.socket, service.pid, run, service.options)
                rest(service.pid)
                done += report["sessions"]
                return report

            run(point.warm, _LONGEST)
            begun, elsewhere = time.monotonic(), machine_seconds() - cpu_seconds(groups)
            fast = run(_MANY, self._seconds)
            pace = ("--rate", str(axis.per_second), "--concurrency", str(STEADY_CONNECTIONS))
            steady = run(_MANY, 1.5 * self._seconds, *pace)
            elsewhere = machine_seconds() - cpu_seconds(groups) - elsewhere
            return {
                "fast": fast,
                "steady": steady,
                "memory_mb": memory_mb(service.pid),
                "elsewhere_cpus": round(elsewhere / (time.monotonic() - begun), 3),
                "exceptions": service.output.count("Traceback"),
            }

    def clean(self, axis: Axis, point: Point) -> None:
        """Delete the files of a point."""
        crowd.remove(self._store(axis, point))
        if point.senders:
            self._sessions(axis, point).unlink(missing_ok=True)

    def _store(self, axis: Axis, point: Point) -> Path:
        return self._build / f"growth-{axis.name}-{point.at}.sqlite"

    def _sessions(self, axis: Axis, point: Point) -> Path:
        return self._build / (f"growth-{axis.name}-{point.at}.tsv" if point.senders else "fresh.tsv")

    def _configuration(self, axis: Axis, point: Point, dns: int) -> str:
        return CONFIGURATION.format(
            load=TO_ALL if point.senders else SUSPECT,
            stores=f'greylist.store = "sqlite:{self._store(axis, point)}"',
            headers="false",
            dns=dns,
            lists=f"workers = {point.workers}",
        )
