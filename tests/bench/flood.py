"""Ten million triplets from one /32 into the store: `python -m bench.flood [ROWS]`, from the folder `tests`.

It prints how many rows the table has and how large its file is, whether the senders who had passed are still
remembered, whether an honest first try from before the flood passes within it, and how long decisions took meanwhile.
The rows go through `SqliteStore`, as fast as it takes them; every thousandth is a decision that is timed.
"""

import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from milter64.cli.terminal_layout import Screen
from milter64.greylist.attempt import State, attempt
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import SqliteStore

SCREEN = Screen(sys.stdout)
SETTINGS = Settings()
PASSED = 50_000
"""Senders who had passed before."""
BACKLOG = 40_000
"""Rows that may wait to be written, so that decisions fall among writing and deleting."""
HONEST = {
    "elsewhere": "net:192.31.196.0/24",
    "another /48 of the same /32": "net:2001:db8:ffff:1::/64",
}


class Flood:
    """The store, and what becomes of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = SqliteStore(path, RecordKind(SETTINGS), SCREEN.line)
        self.begun = time.time() - 7200.0
        self.seconds: list[float] = []

    def decide(self, key: str, network: str, now: float) -> State:
        """Judge an attempt as the engine does."""
        started = time.perf_counter()
        standing = attempt(self.store.read(key), network, None, now, SETTINGS)
        self.store.merge(key, standing.rows)
        self.seconds.append(time.perf_counter() - started)
        return standing.state

    def wait(self, backlog: int = 0) -> None:
        """Wait until no more rows than these are unwritten."""
        while self.store.sizes()["pending"] > backlog:
            time.sleep(0.001)

    def pour(self, count: int) -> None:
        """Merge that many new rows, none known before."""
        chance = random.Random(64)
        for number in range(count):
            key = f"<{number:x}@flood{number % 997}.example> <{chance.randrange(1000)}@example.org>"
            network = f"net:2001:db8:{chance.randrange(0xFFFF):x}:{chance.randrange(0xFFFF):x}::/64"
            now = self.begun + 600.0 + number * 1e-4
            if number % 1000:
                self.store.merge(key, {network: Record(generation=0, first_seen=now)})
            else:
                self.decide(key, network, now)
                self.wait(BACKLOG)
            if number % (count // 10 or 1) == 0:
                SCREEN.line(f"{number:>9,}  {self.store.sizes()}")


def main() -> None:
    """Pour, and report."""
    count = int(sys.argv[1]) if sys.argv[1:] else 10_000_000
    with TemporaryDirectory() as folder:
        flood = Flood(Path(folder) / "rows.sqlite")
        passed = Record(generation=0, first_seen=flood.begun - 600.0, passed_at=flood.begun)
        for number in range(PASSED):
            network = f"net:2001:db8:{number % 0xFFFF:x}::/64"  # the flood's own /32
            flood.store.merge(f"<passed{number}@example.com> <a@example.org>", {network: passed})
        for name, network in HONEST.items():
            assert flood.decide(f"<{name}> <a@example.org>", network, flood.begun) is State.NEW
        flood.wait()
        started, cpu = time.monotonic(), time.process_time()
        flood.seconds.clear()
        flood.pour(count)
        minutes, cpu = (time.monotonic() - started) / 60, time.process_time() - cpu
        for name, network in HONEST.items():
            state = flood.decide(f"<{name}> <a@example.org>", network, flood.begun + 900.0)
            SCREEN.line(f"honest first try from {name}, before the flood; retry within it: {state.value}")
        flood.wait()
        remembered = sum(
            bool(flood.store.read(f"<passed{number}@example.com> <a@example.org>")) for number in range(PASSED)
        )
        size = sum(file.stat().st_size for file in flood.path.parent.iterdir())
        flood.seconds.sort()
        p50, p99 = (flood.seconds[int(len(flood.seconds) * part)] * 1000 for part in (0.5, 0.99))
        each = cpu / count * 1e6
        SCREEN.line(f"{count:,} triplets in {minutes:.1f} minutes, {each:.1f} us of CPU each: {flood.store.sizes()}")
        SCREEN.line(f"file, with -wal: {size / 1e6:.0f} MB; passed senders remembered: {remembered:,} of {PASSED:,}")
        SCREEN.line(f"decisions: p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {flood.seconds[-1] * 1000:.2f} ms")
        flood.store.close()


if __name__ == "__main__":
    main()
