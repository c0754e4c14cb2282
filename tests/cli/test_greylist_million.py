"""`milter64 greylist` with as many rows as a store keeps: it takes no more memory for them."""

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import MAX_ROWS
from milter64.store.sqlite_table import Table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
_AT_ONCE = 10_000
_MOST = 100 * 1024
"""KiB."""


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random, now = tmp_path_factory.mktemp("million"), Random(17), time.time()
    table = Table(folder / "rows", RecordKind(Settings()), print, patience=5)
    for start in range(0, MAX_ROWS, _AT_ONCE):
        numbers = range(start, start + _AT_ONCE)
        table.merge([(f"<{n}@sender{n % 20_000}.example> <you@example.org>", _row(random, now)) for n in numbers])
    table.close()
    path = folder / "milter64.toml"
    path.write_text(f'[greylist]\nstore = "sqlite:{folder}/rows"\n')
    return path


def _row(random: Random, now: float) -> dict[str, Record]:
    address = ".".join(str(random.randrange(256)) for _ in range(3))
    seen = now - 600 - random.random() * 86400
    passed = seen + 300 if random.random() < 0.3 else None
    return {f"net:{address}.0/24": Record(generation=0, first_seen=seen, passed_at=passed)}


_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""
"""Runs a command, and says how many KiB it took: to a child the system counts what its parent had, here little."""


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("stats",), ("export",)], ids=" ".join)
def test_it_takes_100_mb_at_most_for_a_million_rows(words: tuple[str, ...], configuration: Path) -> None:
    command = [sys.executable, "-m", "milter64", "greylist", *words, "--config", str(configuration)]
    with subprocess.Popen(
        [sys.executable, "-c", _MEASURED, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        lines = sum(1 for _ in process.stdout)
        kib = int(process.stderr.read())
    assert process.returncode == os.EX_OK
    assert words == ("stats",) or MAX_ROWS <= lines <= MAX_ROWS + 2
    assert kib <= _MOST
