"""What a process of the service has to itself, and what none of them needs is not imported."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rig.lab import Lab
from rig.procfs import children
from rig.service import Milter64

_HEAVY = ("asyncio", "prometheus_client", "redis", "ssl", "structlog")

_ARENA = 64 * 2**20
"""Octets that glibc sets aside for another heap, which begins at a multiple of it."""


def _kilobytes(pid: int, what: str) -> int:
    found = re.search(rf"^{what}: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_a_worker_shares_most_of_what_there_was_before_the_fork(lab: Lab) -> None:
    milter = lab.start(Milter64, f'[greylist]\nstore = "sqlite:{lab.folder}/greylist.sqlite"\n[milter]\nworkers = 2\n')
    milter.wait_log(lambda line: line["event"] == "ready")
    for worker in children(milter.pid):
        assert _kilobytes(worker, "Private_Dirty") < _kilobytes(worker, "Rss") / 3


def test_a_workers_threads_share_one_heap(lab: Lab) -> None:
    milter = lab.start(Milter64, "[milter]\nworkers = 2\n")
    milter.wait_log(lambda line: line["event"] == "ready")
    for worker in children(milter.pid):
        maps = Path(f"/proc/{worker}/maps").read_text()
        reserved = re.findall(r"^\w+-(\w+) ---p 00000000 00:00 0", maps, re.MULTILINE)
        assert [end for end in reserved if int(end, 16) % _ARENA == 0] == []


@pytest.mark.parametrize("module", ["cli.run", "cli.translate", "cli.main"])
def test_nothing_is_imported_that_only_some_configurations_need(module: str) -> None:
    code = f"import sys; import milter64.{module}; print(*sorted(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert [name for name in _HEAVY if name in imported] == []
