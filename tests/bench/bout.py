"""One load, put on all of its systems in turn."""

import os
import time
from collections.abc import Callable  # noqa: TC003  the annotation is within a function
from pathlib import Path

from bench import world
from bench.intake import Intake
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
    TTL,
    TUNED_RSPAMD,
    UNLISTED,
    Load,
)
from bench.measure import Report, Run, cpu_seconds, load, machine_seconds, ratio, rest
from bench.peers import (
    DmarcDns,
    ListedRspamd,
    OpenDmarc,
    Postgrey,
    PySpfMilter,
    Rspamd,
    SharedRspamd,
    Syslog,
    TunedRspamd,
)
from bench.progress import Progress
from bench.report import Result
from bench.systems import DelayedDns, InC, Milter64, Plain, Prefork, System
from bench.target import REDIS_CPU
from rig.lab import Lab
from rig.nsd import Nsd
from rig.redis import Redis

OURS = "milter64"
CONFIGURATION = """
{load}
greylist.delay = "1s"
{stores}
headers.authentication_results = {headers}
dns.nameservers = ["127.0.0.1:{dns}"]
log.format = "logfmt"
[milter]
socket_mode = "0666"
{lists}
"""
_DELAY = 1
"""Seconds of every greylist here."""
_FEW_DOMAINS = 10_500
"""Enough for all sessions of `hot`."""
_TRIES = 10
_LONGEST = 600
_LONGEST_REASON = 300


class Bout:
    """All the systems of a load, up at once; a peer that doesn't start is left out, and the result says why."""

    def __init__(self, of: Load, lab: Lab, nsd: Nsd, build: Path) -> None:
        """Use the tools and workloads in the folder `build`."""
        self._load, self._build = of, build
        if of.ttl != TTL:
            nsd = lab.start(Nsd, world.zones(_FEW_DOMAINS, of.ttl))
        self._dns = lab.start(DelayedDns, build, nsd.port, of.dns).port if of.dns else nsd.port
        self._redis = lab.start(Redis) if of.shared else None
        self._other = lab.start(Milter64, self._configuration("other", shared=of.shared)) if of.shared else None
        self._systems: dict[str, System] = {}
        self._missing: dict[str, str] = {}
        for name in (OURS, *of.systems):
            try:
                self._systems[name] = self._start(name, lab)
            except (AssertionError, OSError, RuntimeError) as error:
                self._leave_out(name, error)
        self._intakes = {name: Intake(lab, system) for name, system in self._systems.items()} if of.postfix else {}
        self._groups = {nsd.pid, *(server.pid for server in lab.servers), os.getpgrp()}

    def run(self, rounds: int, progress: Progress) -> Result:
        """Warm up, measure, and compare; every second round goes the other way about."""
        before = self._warm_up(progress)
        reports: dict[str, list[Report]] = {name: [] for name in self._systems}
        for number in range(1, rounds + 1):
            systems = list(self._systems)
            for name in systems if number % 2 else reversed(systems):
                progress.now(f"round {number} of {rounds}, {name}")
                reports[name].append(self._run_once(name, number))
        against = {**reports, EARLIER: [before] * rounds}
        ratios = [
            (target, ratio(reports[OURS], against[target.against], target.metric, target.less))
            for target in self._load.targets
            if target.against in against
        ]
        faulty = [name for name, system in self._systems.items() if "Traceback" in system.output]
        return Result(load=self._load, reports=reports, ratios=ratios, faulty=faulty, missing=self._missing)

    def _start(self, name: str, lab: Lab) -> System:
        start: dict[str, Callable[[], System]] = {
            OURS: lambda: lab.start(
                Milter64, self._configuration("greylist", self._load.lists, shared=self._load.shared)
            ),
            UNLISTED: lambda: lab.start(Milter64, self._configuration("unlisted")),
            ALONE: lambda: lab.start(Milter64, self._configuration("alone")),
            PLAIN: lambda: lab.start(Plain),
            PREFORK: lambda: lab.start(Prefork),
            IN_C: lambda: lab.start(InC, self._build),
            PYSPF: lambda: lab.start(PySpfMilter, self._dns),
            RSPAMD: lambda: lab.start(Rspamd, self._dns),
            TUNED_RSPAMD: lambda: lab.start(TunedRspamd, self._dns),
            LISTED_RSPAMD: lambda: lab.start(ListedRspamd, self._dns),
            SHARED_RSPAMD: lambda: lab.start(SharedRspamd, self._dns, self._redis.port if self._redis else 0),
            OPENDMARC: lambda: lab.start(OpenDmarc, lab.start(DmarcDns).network, lab.start(Syslog)),
            POSTGREY: lambda: lab.start(Postgrey),
        }
        return start[name]()

    def _configuration(self, name: str, lists: str = "", *, shared: bool = False) -> str:
        """Return a configuration of milter64, with a store of that name, which is new and on the disk of the build."""
        store = self._build / f"{name}.sqlite"
        for file in self._build.glob(f"{store.name}*"):
            file.unlink()
        own = f"sqlite:{store}"
        stores = {"store": self._redis.url, "local": own} if shared and self._redis else {"store": own}
        return CONFIGURATION.format(
            load=self._load.configuration,
            stores="\n".join(f'greylist.{name} = "{url}"' for name, url in stores.items()),
            headers=str(self._load.headers).lower(),
            dns=self._dns,
            lists=lists.replace("BUILD", str(self._build)),
        )

    def _warm_up(self, progress: Progress) -> Report:
        """Have known senders known, memory full and everything run once; return milter64's report of the last."""
        for name in list(self._systems) if self._load.hot or self._load.postfix else ():
            progress.now(f"passing the greylist of {name}")
            self._pass_greylist(name)
        for number in range(1, self._load.fill + 1):
            progress.now(f"filling memory, {number} of {self._load.fill}")
            self._put(OURS, self._run(self._load.workload, f"f{number}", self._load.sessions, _LONGEST))
            self._rest(OURS)
        progress.now("warming up")
        return {name: self._run_once(name, 0) for name in self._systems}[OURS]

    def _pass_greylist(self, name: str) -> None:
        """Have the known senders come back to a system until all have waited long enough; leave it out if none have."""
        for _ in range(_TRIES):
            if not self._greylisted(name):
                return
            time.sleep(_DELAY)
        self._leave_out(name, RuntimeError(f"known senders are put off after {_TRIES} tries"))
        del self._systems[name]

    def _greylisted(self, name: str) -> int:
        """Return how many of the known senders a system has put off."""
        if self._load.postfix:
            return int(self._intakes[name].send(1)["failed"])
        return put_off(self._put(name, self._run("hot", "", world.HOT_SESSIONS, _LONGEST)))

    def _leave_out(self, name: str, error: Exception) -> None:
        """Remember why a peer is not measured.

        Raises:
            RuntimeError: it is milter64 itself.
        """
        why = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        if name == OURS:
            raise RuntimeError(why) from error
        self._missing[name] = why

    def _run_once(self, name: str, number: int) -> Report:
        """Put the load on a system; each round has triplets of its own, and lines if there are enough."""
        of = self._load
        before, redis = machine_seconds() - cpu_seconds(self._groups), self._redis_seconds()
        if of.postfix:
            report = self._intakes[name].send(of.sessions)
        else:
            if of.warm:
                self._put(name, self._run(of.workload, "", of.warm, _LONGEST, paced=False))
                self._rest(name)
            first = number * of.sessions % world.DOMAINS if of.workload == "fresh" else 0
            report = self._put(name, self._run(of.workload, f"r{number}", of.sessions, of.seconds, first))
        elsewhere = machine_seconds() - cpu_seconds(self._groups) - before
        report["elsewhere_cpu_seconds"] = round(elsewhere, 2)
        report["cpu_seconds_afterwards"] = self._rest(name)
        if self._redis and report["sessions"]:
            report[REDIS_CPU] = (self._redis_seconds() - redis) * 1e6 / report["sessions"]
        return report

    def _redis_seconds(self) -> float:
        return self._redis.cpu_seconds if self._redis else 0.0

    def _rest(self, name: str) -> float:
        """Wait until a system has rested, as measure.rest does, and the other host, which hears what it has learned."""
        seconds = rest(self._systems[name].pid)
        if self._other:
            rest(self._other.pid)
        return seconds

    def _run(
        self, workload: str, seed: str, sessions: int, seconds: float, first_line: int = 0, *, paced: bool = True
    ) -> Run:
        pace = ("--rate", str(self._load.per_second)) if self._load.per_second and paced else ()
        short = ("--envelope-only",) if self._load.until_rcpt else ()
        return Run(
            workload=self._build / f"{workload}.tsv",
            seed=seed,
            sessions=sessions,
            seconds=seconds,
            first_line=first_line,
            options=(*pace, *short),
        )

    def _put(self, name: str, run: Run) -> Report:
        system = self._systems[name]
        return load(self._build / "milterload", system.socket, system.pid, run, system.options)


def put_off(report: Report) -> int:
    """Return how many sessions a greylist has told to come back, in the words of any system."""
    words = ("rcpt.450", "rcpt.DEFER_IF_PERMIT", "eom.451")
    return sum(report["replies"].get(word, 0) for word in words)
