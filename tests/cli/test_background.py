"""Who reads at length stands back behind the mail server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig.process import until


@pytest.mark.parametrize(
    "verb", [("report", "--log", "PIPE"), ("replay", "PIPE"), ("why", "192.0.2.1", "--log", "PIPE")]
)
def test_a_reader_runs_when_nobody_else_wants_to(tmp_path: Path, verb: tuple[str, ...]) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    words = [str(pipe) if word == "PIPE" else word for word in verb]
    command = [sys.executable, "-m", "milter64", *words, "--config", os.devnull]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE, "the verb to give way")
        process.kill()
