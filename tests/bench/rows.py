"""What the greylist's file takes as it grows: `python -m bench.rows [ROWS ...]`, from the folder `tests`.

A file of each number of rows is opened as at a restart, and 10,000 senders spread over it are looked up, each for the
first time: what that takes of the CPU until the store answers and of each look-up at the 99th percentile, in the
median of seven rounds, which go from one file to the next. Nothing is asserted.
"""

import statistics
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from bench.beside import fill, key
from milter64.cli.terminal_layout import Screen
from milter64.greylist.row import RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import SqliteStore

ROWS = (10_000, 100_000, 1_000_000)
ROUNDS = 7
SENDERS = 10_000
SCREEN = Screen(sys.stdout)


def restarted(path: Path, rows: int, seed: int) -> tuple[float, float]:
    """Return the milliseconds of CPU of this thread until a store has answered, and of a look-up's 99th percentile."""
    numbers = Random(seed).sample(range(rows), SENDERS)
    begun = time.thread_time()
    store = SqliteStore(path, RecordKind(Settings()), print)
    store.latest()
    store.sizes()
    ready = time.thread_time() - begun
    took = []
    for number in numbers:
        begun = time.thread_time()
        found = store.read(key(number))
        took.append(time.thread_time() - begun)
        assert found, f"row {number} of {rows} is not there"
    store.close()
    return 1000 * ready, 1000 * statistics.quantiles(took, n=100)[98]


def main() -> None:
    """Measure all."""
    counts = [int(word) for word in sys.argv[1:]] or list(ROWS)
    with TemporaryDirectory() as folder:
        files = {count: Path(folder, f"{count}.sqlite") for count in counts}
        for count, path in files.items():
            fill(path, count)
        seen = {count: list[tuple[float, float]]() for count in counts}
        for number in range(ROUNDS):
            for count, path in files.items():
                seen[count].append(restarted(path, count, number))
    lines = []
    for count in counts:
        ready, latency = (statistics.median(each) for each in zip(*seen[count], strict=True))
        ratios = [own[1] / least[1] for own, least in zip(seen[count], seen[counts[0]], strict=True)]
        against = f"{statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append((f"{count:,}", f"{ready:.2f} ms", f"{latency:.3f} ms", against))
    SCREEN.table(lines, ("ROWS", "READY", "LOOK-UP P99", f"AGAINST {counts[0]:,}"))


if __name__ == "__main__":
    main()
