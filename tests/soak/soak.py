"""`make soak`: a day in an hour. MESSAGES of all kinds, 1,000,000 by default, in MINUTES, 60 by default.

Meanwhile the service is reloaded, its processes are killed, DNS and the store fail, nobody reads the log, the clock
is stepped; when, and what the messages are, a chance decides that SEED repeats. It fails if any reply is not the right
one for its message, if a session is lost but those of who was killed, a sender forgotten who has passed, a file broken,
or if a process grows.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from threading import Event, Thread

from bench.bench import INTERRUPTED
from bench.progress import Progress
from milter64.cli.terminal_layout import Screen
from rig.disk import mounted
from rig.lab import Lab
from rig.nsd import Nsd
from rig.unbound import Unbound
from rig.world import ZONES
from soak.faults import FAULTS, METRICS, Fault, Stage, check_rows
from soak.findings import Findings, clock
from soak.gauges import Gauges
from soak.judge import RESTART
from soak.kinds import SILENT
from soak.log import Log
from soak.plan import SETTLED, plan
from soak.service import Service
from soak.traffic import Traffic
from soak.trouble import Troubles

_HERE = Path(__file__).parent
_BUILD = _HERE.parent.parent / "build" / "soak"
_DISK = "512m"
_SETTLES = 60.0, 8.0
"""Seconds in which a process settles, at most and at least."""
_LOOK_EVERY = 5.0
_SHOWN = 40
"""Lines about what was wrong."""


def main() -> int:
    messages, minutes = int(os.environ.get("MESSAGES") or 1_000_000), float(os.environ.get("MINUTES") or 60)
    seed = int(os.environ.get("SEED") or 1)
    if os.geteuid():
        Screen(sys.stderr).line("The soak runs real servers, and that needs root.")
        return os.EX_UNAVAILABLE
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(messages, minutes * 60, seed)
    except KeyboardInterrupt:
        Screen().line("\nInterrupted; all that was started is stopped.")
        return INTERRUPTED


def _run(messages: int, seconds: float, seed: int) -> int:
    library = _build()
    with Lab() as lab, mounted(lab.folder / "disk", size=_DISK) as disk:
        nsd = lab.start(Nsd, ZONES)
        resolver = lab.start(Unbound, nsd, silent=[SILENT])
        rows = disk / "rows" / "greylist.sqlite"
        rows.parent.mkdir()
        wrong = Findings()
        service = Service(lab.folder, rows, resolver.server, library, Log(wrong))
        try:
            return Soak(service, resolver.pid, disk, wrong, seed).run(messages, seconds)
        finally:
            service.close()


class Soak:
    """A run against one service."""

    def __init__(self, service: Service, resolver: int, disk: Path, wrong: Findings, seed: int) -> None:
        self._service = service
        self._seed = seed
        self._wrong = wrong
        self._played: Counter[str] = Counter()
        self._stage = Stage(
            service=service,
            resolver=resolver,
            disk=disk,
            troubles=Troubles(),
            chance=Random(f"{seed} faults"),
            wrong=wrong,
        )
        self._ended = Event()

    def run(self, messages: int, seconds: float) -> int:
        """Run, and say what came of it; the exit code is 0 if nothing was wrong."""
        began = time.monotonic()
        progress = Progress()
        progress.begin(f"{messages} messages in {seconds / 60:g} minutes, seed {self._seed}")
        traffic = Traffic(self._service.address, self._stage.troubles, self._wrong, self._seed)
        gauges = Gauges(self._service, max(_SETTLES[1], min(_SETTLES[0], seconds * SETTLED)))
        faults = plan(FAULTS, seconds, Random(self._seed))
        beside = [
            Thread(target=self._play, args=(faults, began), daemon=True),
            Thread(target=self._look, args=(progress, traffic), daemon=True),
        ]
        for thread in beside:
            thread.start()
        traffic.run(messages, seconds)
        took = time.monotonic() - began
        self._ended.set()
        for thread in beside:
            thread.join()
        gauges.close()
        remembered = self._after(traffic)
        traffic.close()
        progress.end()
        for what in gauges.wrong():
            self._wrong.add(what)
        self._tell(traffic, gauges, took, remembered)
        return os.EX_SOFTWARE if self._wrong.total else os.EX_OK

    def _after(self, traffic: Traffic) -> int:
        """Start the service once more, and see whether it remembers everybody."""
        if code := self._service.stop():
            self._wrong.add(f"stopped, the service ended with {code}")
        self._service.start()
        remembered = traffic.call_roll()
        if code := self._service.stop():
            self._wrong.add(f"stopped, the service ended with {code}")
        return remembered

    def _play(self, faults: Sequence[tuple[float, float, Fault]], began: float) -> None:
        """Have each fault happen when its time has come, one at a time."""
        for when, slot, fault in faults:
            if self._ended.wait(max(0.0, began + when - time.monotonic())):
                self._wrong.add("the end came before all faults")
                return
            name = fault.__name__.replace("_", " ")
            Screen().line(f"{clock(self._wrong.elapsed):>6} {name}")
            self._stage.seconds = slot / 2
            try:
                self._revive()
                fault(self._stage)
            except Exception as error:  # noqa: BLE001  the fault is named, and the others go on
                self._wrong.add(f"{name}: {error!r}")
            self._played[name] += 1

    def _revive(self) -> None:
        """Start the service again if it has ended by itself."""
        if self._service.ended:
            self._wrong.add("the supervisor has ended by itself")
            with self._stage.troubles.during(RESTART, after=1.0):
                self._service.restart()

    def _look(self, progress: Progress, traffic: Traffic) -> None:
        """Look at the numbers again and again, as Prometheus would."""
        while not self._ended.wait(_LOOK_EVERY):
            progress.now(f"{clock(self._wrong.elapsed)}: {traffic.done} done, {self._wrong.total} wrong")
            for path in ("/metrics", "/healthz"):
                began = time.monotonic()
                status, text = self._service.get(path)
                troubles = self._stage.troubles
                if status != 200 and not any(
                    troubles.met(what, began, time.monotonic()) for what in (METRICS, RESTART)
                ):
                    self._wrong.add(f"{path} says {status}: {text[:100]}")

    def _tell(self, traffic: Traffic, gauges: Gauges, took: float, remembered: int) -> None:
        screen = Screen()
        rows = check_rows(self._stage)
        waits = [wait * 1000 for wait in sorted(traffic.waits) or [0.0]]
        half, most, longest = waits[len(waits) // 2], waits[len(waits) * 99 // 100], waits[-1]
        log = self._service.log
        screen.table(
            [
                ("messages", f"{traffic.sent - remembered} in {took / 60:.1f} minutes, seed {self._seed}"),
                ("a known sender's session", f"{half:.1f} ms, 99 of 100 {most:.0f} ms, all {longest:.0f} ms at most"),
                ("senders who have passed", f"{remembered}, all called once more after a restart"),
                ("rows", f"{rows}, file whole"),
                ("starts of the service", str(self._service.starts)),
                ("log", f"{log.lines} lines, {log.lost} more lost"),
                *(gauges.row(role) for role in gauges.roles),
                ("wrong", str(self._wrong.total)),
            ]
        )  # fmt: skip
        screen.line()
        screen.table(
            [(kind, reply, str(times), why) for (kind, reply, why), times in sorted(traffic.outcomes.items())],
            ("MESSAGE", "REPLY", "TIMES", "BECAUSE OF"),
        )
        screen.line()
        screen.table(
            [(name, str(times)) for name, times in sorted(self._played.items())],
            ("FAULT", "TIMES"),
        )
        screen.line()
        screen.table([(event, str(times)) for event, times in sorted(log.events.items())], ("LOG", "LINES"))
        for line in self._wrong.lines(_SHOWN):
            screen.line(line)


def _build() -> Path:
    """Return the library that has the clock stepped."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    library = _BUILD / "clock.so"
    source = _HERE / "clock.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


if __name__ == "__main__":
    sys.exit(main())
