"""What the service is like beside the verbs that read at length: `python -m bench.beside`, from the folder `tests`.

Known senders come at a steady rate, and in seven interleaved rounds each of VERBS is run beside, again and again, or
nothing is: the ratio is that of the 99th percentile of RCPT's latency within a round. The greylist has a million rows;
until `greylist list` shows the first of them, and how much memory it takes, is measured first. Nothing is asserted.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event, Thread

from bench.bench import BUILD, build
from bench.logs import own_lines, postfix_lines, write
from bench.measure import Run, figure, load, rest
from bench.systems import Milter64
from bench.target import RCPT_LATENCY
from bench.world import HOT_SESSIONS, zones
from milter64.cli.terminal_layout import Screen
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_table import Table
from rig.lab import Lab
from rig.nsd import Nsd

ROUNDS = 7
ROWS = 1_000_000
LINES = 500_000
PER_SECOND = 400
SECONDS = 4.0
AT_MOST = 1.2
FIRST_LINE = 0.5
"""Seconds."""
NOTHING = "nothing"
VERBS = {
    NOTHING: (),
    "report": ("report", "--log", f"{BUILD}/beside-own.log"),
    "replay": ("replay", f"{BUILD}/beside-postfix.log"),
    "greylist list": ("greylist", "list"),
    "why": ("why", "192.0.2.1", "--log", f"{BUILD}/beside-own.log"),
}
CONFIGURATION = """
greylist.apply = "all"
greylist.delay = "1s"
greylist.store = "sqlite:{store}"
dns.nameservers = ["127.0.0.1:{dns}"]
log.format = "logfmt"
[milter]
socket_mode = "0666"
"""
SCREEN = Screen(sys.stdout)


def fill(path: Path, rows: int = ROWS) -> None:
    """Make a greylist's file with rows, a third of which have passed."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    random, now, at_once = Random(17), time.time(), 10_000
    table = Table(path, RecordKind(Settings()), print, patience=5)
    for start in range(0, rows, at_once):
        table.merge([(key(n), row(random, now)) for n in range(start, min(start + at_once, rows))])
    table.close()


def key(number: int) -> str:
    """Return a pair of sender and recipient."""
    return f"<{number}@sender{number % 20_000}.example> <you@example.org>"


def row(random: Random, now: float) -> dict[str, Record]:
    """Return a row of any network."""
    seen = now - 600 - random.random() * 86_400
    passed = seen + 300 if random.random() < 1 / 3 else None
    network = ".".join(str(random.randrange(256)) for _ in range(3))
    return {f"net:{network}.0/24": Record(generation=0, first_seen=seen, passed_at=passed)}


def command(words: tuple[str, ...], config: Path) -> list[str]:
    """Return how a verb is run."""
    return [sys.executable, "-m", "milter64", *words, "--config", str(config)]


def listed(config: Path) -> tuple[float, int]:
    """Return after how many seconds `greylist list` has shown its first line, and KiB of memory that it took."""
    begun = time.monotonic()
    with subprocess.Popen(command(VERBS["greylist list"], config), stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        first = time.monotonic() - begun
        for _ in process.stdout:
            pass
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return first, used.ru_maxrss


@contextmanager
def beside(words: tuple[str, ...], config: Path) -> Iterator[None]:
    """Run a verb again and again meanwhile."""
    over = Event()

    def run() -> None:
        while not over.is_set():
            with subprocess.Popen(
                command(words, config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                while process.poll() is None and not over.wait(0.01):
                    pass
                process.kill()

    runner = Thread(target=run)
    if words:
        runner.start()
    try:
        yield
    finally:
        over.set()
        if words:
            runner.join()


def main() -> None:
    """Measure all."""
    build()
    store = BUILD / "beside.sqlite"
    fill(store)
    write(BUILD / "beside-own.log", own_lines(observe=True), LINES)
    write(BUILD / "beside-postfix.log", postfix_lines(), LINES)
    with Lab() as lab:
        nsd = lab.start(Nsd, zones())
        service = lab.start(Milter64, CONFIGURATION.format(store=store, dns=nsd.port))
        firsts = [listed(service.file) for _ in range(ROUNDS)]
        seconds, kib = statistics.median(first for first, _ in firsts), max(kib for _, kib in firsts)
        SCREEN.line(
            f"greylist list of {ROWS:,} rows: its first line after {seconds:.2f} s, at most {FIRST_LINE} s;"
            f" {kib / 1024:.0f} MB"
        )

        def sessions(count: int, seconds: float, *options: str) -> float:
            run = Run(workload=BUILD / "hot.tsv", seed="", sessions=count, seconds=seconds, options=options)
            report = load(BUILD / "milterload", service.socket, service.pid, run, service.options)
            rest(service.pid)
            return float(figure(report, RCPT_LATENCY) or 0.0)

        for _ in range(3):  # until all have waited long enough
            sessions(HOT_SESSIONS, 600.0)
            time.sleep(1)
        latencies: dict[str, list[float]] = {verb: [] for verb in VERBS}
        for number in range(ROUNDS):
            for verb in VERBS if number % 2 else reversed(VERBS):
                with beside(VERBS[verb], service.file):
                    latencies[verb].append(sessions(1_000_000, SECONDS, "--rate", str(PER_SECOND)))
    SCREEN.table(told(latencies), ("BESIDE", "RCPT P99", "AGAINST NOTHING", ""))
    for file in BUILD.glob("beside*"):
        file.unlink()


def told(latencies: dict[str, list[float]]) -> Iterator[tuple[str, ...]]:
    """Yield what came of the rounds, as rows of a table."""
    for verb, own in latencies.items():
        ratios = [one / other for one, other in zip(own, latencies[NOTHING], strict=True)]
        median = statistics.median(ratios)
        against = (
            f"{median:.2f}x ({min(ratios):.2f} to {max(ratios):.2f}), at most {AT_MOST}x",
            "met" if median <= AT_MOST else "missed",
        )
        yield (verb, f"{statistics.median(own):.2f} ms", *(against if verb != NOTHING else ("", "")))


if __name__ == "__main__":
    main()
