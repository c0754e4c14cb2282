"""What befalls the service, each for a while."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Timer

from rig.disk import full
from rig.process import until
from soak.findings import Findings
from soak.judge import DEATH, DNS, RESTART, STORE
from soak.log import REFUSED
from soak.service import WORKERS, Service, stopped
from soak.trouble import Troubles

METRICS = "metrics"
"""The trouble that is felt by nobody but who looks at the numbers."""
_LONGEST = 12.0
"""Seconds that an outage lasts, at most."""
_REPLACED = 10.0
"""Seconds within which who has died must be replaced."""
_RISEN = 30.0
"""Seconds within which a reload must be over."""
_POLL = 0.1
_HOURS = (1, 2, 6, -1, -2, -5)
"""By which the clock is stepped; a day's worth in all."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What faults are played on; `wrong` is what came out that should not."""

    service: Service
    resolver: int
    disk: Path
    troubles: Troubles
    chance: Random
    wrong: Findings
    seconds: float = 0.0
    """How much time there is for a fault."""

    @property
    def outage(self) -> float:
        """How many seconds an outage lasts now."""
        return min(self.seconds, _LONGEST)

    def wait(self) -> None:
        """Let the outage last."""
        time.sleep(self.outage)


Fault = Callable[[Stage], None]


def reload(stage: Stage) -> None:
    """Another configuration, as good as the one before: other workers serve from now on."""
    timeout = f'timeout = "{stage.chance.randint(1900, 2100)}ms"\n'
    stage.service.file.write_text(stage.service.settings.replace("[dns]\n", f"[dns]\n{timeout}"))
    before = stage.service.workers()
    with stage.troubles.during(METRICS, after=1.0):
        os.kill(stage.service.pid, signal.SIGHUP)
        _within(stage, _RISEN, lambda: _others(before, stage.service.workers()), "other workers after a reload")
        _within(stage, _REPLACED, stage.service.metrics_server, "the metrics server after a reload")


def bad_reload(stage: Stage) -> None:
    """A configuration that is no good: nothing may change."""
    workers, events = stage.service.workers(), stage.service.log.events
    before = events[REFUSED]
    stage.service.file.write_text("[milter]\nworkers = -1\n")
    os.kill(stage.service.pid, signal.SIGHUP)
    _within(stage, _RISEN, lambda: events[REFUSED] > before, "the refusal of a reload")
    if stage.service.workers() != workers:
        stage.wrong.add("a refused reload has changed the workers")
    stage.service.file.write_text(stage.service.settings)


def _others(before: set[int], now: set[int]) -> bool:
    return len(now) == WORKERS and not before & now


def kill_worker(stage: Stage) -> None:
    """A worker that the kernel kills."""
    workers = stage.service.workers()
    if not workers or not stopped(victim := stage.chance.choice(sorted(workers))):
        stage.wrong.add("there is no worker")
        return
    with stage.troubles.during(DEATH):
        stage.troubles.cut(stage.service.ports_with(victim), time.monotonic())
        stage.service.kill(victim)
        _within(stage, _REPLACED, lambda: stage.service.workers() - workers, "another worker")


def kill_metrics(stage: Stage) -> None:
    """A metrics server that the kernel kills."""
    if victim := stage.service.metrics_server():
        with stage.troubles.during(METRICS, after=1.0):
            stage.service.kill(victim)
            _within(stage, _REPLACED, lambda: stage.service.get("/healthz")[0] == 200, "/healthz to be served again")
    else:
        stage.wrong.add("nobody serves the numbers")


def kill_supervisor(stage: Stage) -> None:
    """A supervisor that the kernel kills; the service is started again."""
    with stage.troubles.during(RESTART, after=1.0), stage.troubles.during(METRICS, after=3.0):
        stage.service.kill(stage.service.pid)
        if late := stage.service.restart():
            stage.wrong.add(f"{len(late)} workers had to be killed when the supervisor was gone")
    check_rows(stage)


def silence_dns(stage: Stage) -> None:
    """A nameserver that says nothing for a while."""
    with stage.troubles.during(DNS, after=3.0):
        os.killpg(stage.resolver, signal.SIGSTOP)
        try:
            stage.wait()
        finally:
            os.killpg(stage.resolver, signal.SIGCONT)


def move_store(stage: Stage) -> None:
    """The store's folder isn't there for a while."""
    folder = stage.service.rows.parent
    with stage.troubles.during(STORE, after=5.0):
        folder.rename(away := folder.with_name("away"))
        try:
            stage.wait()
        finally:
            away.rename(folder)


def fill_store(stage: Stage) -> None:
    """The store's disk is full for a while."""
    with stage.troubles.during(STORE, after=5.0), full(stage.disk):
        stage.wait()


def stall_log(stage: Stage) -> None:
    """Nobody reads the log for a while, and in the midst of it there is a reload."""
    stage.service.log.stall()
    reader = Timer(2 * stage.outage, stage.service.log.go_on)
    reader.start()
    try:
        stage.wait()
        reload(stage)
    finally:
        reader.cancel()
        stage.service.log.go_on()


def step_clock(stage: Stage) -> None:
    """The wall clock is set, and who begins from now on begins with it."""
    stage.service.step(3600 * stage.chance.choice(_HOURS))


FAULTS: tuple[Fault, ...] = (
    *(reload, reload, bad_reload, kill_worker, kill_worker, kill_metrics, kill_supervisor),
    *(silence_dns, move_store, fill_store, stall_log, step_clock, step_clock),
)


def check_rows(stage: Stage) -> int:
    """See whether the file is whole, and return how many rows there are."""
    with closing(sqlite3.connect(f"file:{stage.service.rows}?mode=ro", uri=True, timeout=10)) as connection:
        (said,) = connection.execute("PRAGMA quick_check").fetchone()
        if said != "ok":
            stage.wrong.add(f"the rows are not whole: {said}")
        (count,) = connection.execute("SELECT count(*) FROM rows").fetchone()
    return int(count)


def _within(stage: Stage, seconds: float, condition: Callable[[], object], what: str) -> None:
    try:
        until(lambda: _looked(condition), what, seconds=seconds)
    except AssertionError as error:
        stage.wrong.add(str(error))


def _looked(condition: Callable[[], object]) -> bool:
    """Look, at leisure: a look costs more than a wait."""
    time.sleep(_POLL)
    return bool(condition())
