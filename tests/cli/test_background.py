"""Who reads at length stands back behind the mail server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from milter64.cli.main import main
from rig.process import until

NICENESS = 10
"""What nice(1) adds."""


def test_a_reader_is_nice_to_others(tmp_path: Path) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "milter64", "report", "--log", str(pipe), "--config", os.devnull]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: niceness(process.pid) == min(19, niceness(0) + NICENESS), "the verb to give way")
        process.kill()


@pytest.mark.parametrize(
    "words",
    [
        "report --log LOG",
        "replay LOG",
        "why 192.0.2.1 --log LOG",
        "page --port 1",
        *(f"greylist {action}" for action in ("list", "stats", "export")),
    ],
)
def test_all_that_read_at_length_do_so(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    monkeypatch.setattr("os.nice", asked.append)
    monkeypatch.setattr("milter64.cli.page.Live", _no_port)
    configuration = tmp_path / "milter64.toml"
    configuration.write_text(f'greylist.store = "sqlite:{tmp_path}/rows"\n')
    main([*words.replace("LOG", os.devnull).split(), "--config", str(configuration)])
    assert asked == [NICENESS]


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def _no_port(*_: object) -> None:
    raise OSError(98, "Address already in use")
