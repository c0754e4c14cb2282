"""What a process of the service has to itself, and what none of them needs is not imported."""

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from milter64.dns.public_suffixes import suffix_list
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


def test_what_is_shared_is_given_back_when_it_is_to_have_another_size(lab: Lab) -> None:
    def configured(memory: str) -> str:
        return f'[greylist]\nstore = "sqlite:{lab.folder}/greylist.sqlite"\n[limits]\nmemory = "{memory}"\n'

    milter = lab.start(Milter64, configured("32M"))
    large: list[int] = []
    for memory in ("64M", "96M", "128M", "160M"):
        milter.become(configured(memory))
        shared = re.findall(r"^(\w+)-(\w+) .*/dev/zero", Path(f"/proc/{milter.pid}/maps").read_text(), re.MULTILINE)
        large.append(sum(int(end, 16) - int(begin, 16) > 2**20 for begin, end in shared))
    assert large[-1] <= large[1]  # of a crew that has just gone it may be there yet


@pytest.mark.parametrize("module", ["cli.run", "cli.translate", "cli.main"])
def test_nothing_is_imported_that_only_some_configurations_need(module: str) -> None:
    code = f"import sys; import milter64.{module}; print(*sorted(sys.modules))"
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert [name for name in _HEAVY if name in imported] == []


_ANSWERING = ("dns", "spf", "sqlite3", "importlib.metadata", "email", "logging", "multiprocessing")
_CONFIGURED = "[dns]\nnameservers = ['127.0.0.1']\n[spf]\nenabled = false\n"


@pytest.mark.parametrize(
    ("argv", "without"),
    [
        (["--version"], [*_ANSWERING, "netaddr", "tomllib", "milter64.config.settings"]),
        (["translate", "64:ff9b::c01f:c40a"], [*_ANSWERING, "json", "milter64.config.contradictions"]),
        (["translate", "--config", "FILE", "64:ff9b::c01f:c40a"], [*_ANSWERING, "json"]),
    ],
)
def test_a_verb_that_asks_nobody_loads_nothing_to_ask_with(argv: list[str], without: list[str], tmp_path: Path) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text(_CONFIGURED)
    argv = [str(file) if word == "FILE" else word for word in argv]
    code = (
        "import atexit, sys; from milter64.cli.main import main; "
        f"atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr)); sys.exit(main({argv!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stderr.split())
    assert done.stdout
    assert "milter64.cli.main" in loaded
    assert sorted(loaded.intersection(without)) == []


def test_the_suffix_list_is_never_all_in_memory_as_a_text() -> None:
    suffix_list.cache_clear()
    tracemalloc.start()
    try:
        rules = suffix_list()
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rules.suffixes
    assert most < 2 * kept
