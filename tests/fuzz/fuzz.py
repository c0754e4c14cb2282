"""`make fuzz`: does anything that strangers can say or publish get by, hold up, or bring down the service?

CASES of them, 100,000 by default, by chance that SEED repeats: half are sessions, a quarter each zones and header
fields. It fails if a worker dies, a session waits for ten seconds, a message gets by unjudged, or memory grows by more
than 20 MiB once a fifth has been seen, beside what is in the caches, whose room such a run doesn't fill.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from bench.progress import Progress
from fuzz import cases
from fuzz.zones import StrangeDns
from milter64.cli.terminal_layout import Screen
from rig.lab import Lab
from rig.numbers import Counted
from rig.procfs import children
from rig.world import RECORDS

_SETTINGS = """
[milter]
workers = 2
[dns]
nameservers = ["{}"]
[greylist]
store = "sqlite:{}"
delay = "0s"
"""
_THREADS = 32
_SETTLED = 0.2
_CACHES = ("findings", "familiar", "dns_cache")
_GROWTH = 20 * 1024 * 1024
_KINDS: tuple[Callable[[int, Random], Iterator[str]], ...] = (cases.session, cases.zone, cases.session, cases.fields)


def main() -> int:
    count, seed = int(os.environ.get("CASES") or 100_000), int(os.environ.get("SEED") or 1)
    with Lab() as lab, StrangeDns(RECORDS, seed) as dns:
        milter = lab.start(Counted, _SETTINGS.format(dns.address, lab.folder / "rows.sqlite"))
        milter.wait_log(lambda line: line["event"] == "ready")
        return Fuzz(milter, seed).run(count)


class Fuzz:
    """A run against one service."""

    def __init__(self, milter: Counted, seed: int) -> None:
        self._milter = milter
        self._seed = seed
        self._longest = 0.0
        self._wrong: Counter[str] = Counter()

    def run(self, count: int) -> int:
        """Run so many cases and say what came of them; the exit code is 0 if nothing was wrong."""
        screen, progress = Screen(), Progress()
        workers = children(self._milter.pid)
        settled = cached = 0
        progress.begin(f"{count} cases, seed {self._seed}")
        with ThreadPoolExecutor(_THREADS) as pool:
            for number, _ in enumerate(pool.map(self._case, range(count)), 1):
                if number == int(count * _SETTLED):
                    settled, cached = _memory(workers), self._cached() * len(workers)
                if number % 100 == 0:
                    progress.now(f"{number} done, {self._wrong.total()} wrong")
        progress.end()
        caches = self._cached() * len(workers) - cached
        growth = _memory(workers) - settled - caches
        if set(workers) - set(children(self._milter.pid)):  # the last may come up after the first look
            self._wrong["a process has died"] += 1
        if growth > _GROWTH:
            self._wrong["memory has grown by more than 20 MiB"] += 1
        told = [line for line in self._milter.log if line["level"] == "error"]
        self._wrong.update(f"{line['event']}: {str(line.get('exception', line))[-300:]}" for line in told)
        screen.table(
            [
                ("cases", f"{count}, seed {self._seed}"),
                ("longest wait", f"{self._longest:.1f} s"),
                ("memory", f"{settled >> 20} MiB when settled, {growth / 2**20:+.1f} MiB since"),
                ("caches", f"{caches / 2**20:+.1f} MiB beside"),
                ("wrong", str(self._wrong.total())),
            ]
        )
        for what, times in self._wrong.most_common(20):
            screen.line(f"{times} x {what}")
        return os.EX_SOFTWARE if self._wrong else os.EX_OK

    def _cached(self) -> int:
        """Return the octets in a worker's caches, as far as those are what is bounded."""
        return int(sum(self._milter.number("bound_entries", bound=bound) for bound in _CACHES))

    def _case(self, number: int) -> None:
        began = time.monotonic()
        try:
            self._wrong.update(_KINDS[number % len(_KINDS)](self._milter.port, Random(f"{self._seed} {number}")))
        except (ConnectionResetError, BrokenPipeError):
            pass  # libmilter's answer to what is no milter protocol; a mail server says 451
        except Exception as error:  # noqa: BLE001  the case is named, and the others go on
            self._wrong[f"case {number}: {type(error).__name__}: {error}"] += 1
        self._longest = max(self._longest, time.monotonic() - began)


def _memory(pids: list[int]) -> int:
    """Return the resident octets of processes."""
    page = os.sysconf("SC_PAGESIZE")
    return sum(
        int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids if Path(f"/proc/{pid}").exists()
    )


if __name__ == "__main__":
    sys.exit(main())
