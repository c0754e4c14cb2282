"""How fast logs are read, and in how much memory: `python -m bench.reading [LINES]`, from the folder `tests`.

Each of `READERS` reads a log of two million lines by default, made of a seed, and pflogsumm one of Postfix's of as
many, on one CPU and one after the other, in five interleaved rounds. Then each reads four times the lines. Nothing is
asserted.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.logs import own_lines, postfix_lines, write
from milter64.cli.terminal_layout import Screen

BUILD = Path(__file__).parents[2] / "build" / "bench"
LINES = 2_000_000
ROUNDS = 5
LONGER = 4
AT_LEAST = 1.5
"""The ratio to pflogsumm's lines a second that is aimed at."""
AT_MOST = 150 * 1024
"""KiB of memory."""
PFLOGSUMM = "pflogsumm"
SCREEN = Screen(sys.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads a log, which is named behind the command; `postfix` says that it is Postfix's."""

    name: str
    command: tuple[str, ...]
    postfix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What it took to read a log: seconds of CPU, and KiB of memory at most."""

    seconds: float
    kib: int


READERS = (
    Reader(name="report", command=(sys.executable, "-m", "milter64", "report", "--config", "CONFIG", "--log")),
    Reader(
        name="replay",
        command=(sys.executable, "-m", "milter64", "replay", "--config", "CONFIG"),
        postfix=True,
    ),
    Reader(name=PFLOGSUMM, command=("pflogsumm",), postfix=True),
)


def read(reader: Reader, log: Path, config: Path) -> Reading:
    """Have a log read on one CPU."""
    words = [str(config) if word == "CONFIG" else word for word in reader.command]
    cpu = min(os.sched_getaffinity(0))
    process = subprocess.Popen(["taskset", "--cpu-list", str(cpu), *words, str(log)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{reader.name} ended with {process.returncode}"
    return Reading(seconds=used.ru_utime + used.ru_stime, kib=used.ru_maxrss)


def ratios(ours: Sequence[Reading], theirs: Sequence[Reading]) -> list[float]:
    """Return by how much more lines a second were read, round by round."""
    return [their.seconds / our.seconds for our, their in zip(ours, theirs, strict=True)]


def logs(count: int) -> dict[bool, Path]:
    """Return a log of so many lines of ours, and one of Postfix's (True)."""
    made: dict[bool, Path] = {}
    for postfix, lines in ((False, own_lines(observe=True)), (True, postfix_lines())):
        made[postfix] = BUILD / f"{'postfix' if postfix else 'own'}-{count}.log"
        write(made[postfix], lines, count)
    return made


def told(readers: Sequence[Reader], readings: dict[str, list[Reading]], count: int) -> Iterator[tuple[str, ...]]:
    """Yield what came of the rounds, as rows of a table."""
    for reader in readers:
        own = readings[reader.name]
        seconds = statistics.median(each.seconds for each in own)
        row = (reader.name, f"{count / seconds:,.0f}", f"{max(each.kib for each in own) / 1024:,.0f} MB")
        if reader.name == PFLOGSUMM:
            yield (*row, "", "")
            continue
        seen = ratios(own, readings[PFLOGSUMM])
        median = statistics.median(seen)
        met = "met" if median >= AT_LEAST and all(each.kib <= AT_MOST for each in own) else "missed"
        yield (*row, f"{median:.2f}x ({min(seen):.2f} to {max(seen):.2f}), at least {AT_LEAST}x", met)


def main() -> None:
    """Measure all."""
    count = int(sys.argv[1]) if sys.argv[1:] else LINES
    BUILD.mkdir(parents=True, exist_ok=True)
    config = BUILD / "reading.toml"
    config.write_text('greylist.store = "memory:"\n')
    made, readings = logs(count), {reader.name: list[Reading]() for reader in READERS}
    for _ in range(ROUNDS):
        for reader in READERS:
            readings[reader.name].append(read(reader, made[reader.postfix], config))
    SCREEN.table(told(READERS, readings, count), ("READER", "LINES/S", "MEMORY", "AGAINST PFLOGSUMM", ""))
    longer = logs(LONGER * count)
    for reader in READERS:
        if reader.name != PFLOGSUMM:
            kib = read(reader, longer[reader.postfix], config).kib
            SCREEN.line(f"{reader.name}, {LONGER} times the lines: {kib / 1024:,.0f} MB")
    for log in (*made.values(), *longer.values()):
        log.unlink()


if __name__ == "__main__":
    main()
