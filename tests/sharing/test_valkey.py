"""What is tested with redis-server, with Valkey: Debian 13's, in place of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.shared_rows import filled
from rig.lab import Lab
from rig.redis import Redis
from rig.valkey import valkey_server

HERE = Path(__file__).parent
TESTS = (
    "test_histories.py::test_a_history_ends_in_the_same_rows_everywhere[from 0]",  # thirty of them will do
    "test_merging.py",
    "test_room.py",
    "test_two_hosts.py",
)


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    with Lab() as lab:
        yield valkey_server(lab.folder / "valkey")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_hosts_share_over_valkey(program: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout", "600", *TESTS],
        cwd=HERE,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.slow
def test_a_row_takes_little_memory(lab: Lab, program: Path) -> None:
    valkey = lab.start(Redis, program=str(program))
    assert valkey.version.startswith("valkey-server 8.")
    assert filled(valkey.path, 155_000) < 132  # its tables are as full then as with ten million, where it is 128
