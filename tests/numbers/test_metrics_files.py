"""The folder of the numbers, and those that killed services have left."""

import os
import signal
from pathlib import Path

from rig.process import Process

PROGRAM = """
import sys
from threading import Event
from milter64.numbers.metrics_files import private_folder
with private_folder() as folder:
    print(folder, flush=True)
    Event().wait()
"""


def service(folder: Path) -> Process:
    file = folder / "program.py"
    file.write_text(PROGRAM)
    return Process.python(file, env={"TMPDIR": str(folder)})


def made_by(process: Process) -> Path:
    return Path(process.expect("^/.*")[0])


def test_what_a_killed_service_has_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    foreign, file, link = (tmp_path / f"milter64-numbers-{name}" for name in ("foreign", "file", "link"))
    foreign.mkdir()
    os.chown(foreign, 65534, 65534)
    file.touch()
    with service(tmp_path) as living, service(tmp_path) as killed:
        left = made_by(killed)
        (left / "counter_0.db").touch()
        link.symlink_to(left)
        killed.stop(signal.SIGKILL)
        assert left.exists()
        with service(tmp_path) as another:
            assert made_by(another).stat().st_mode & 0o777 == 0o700
            assert not left.exists()
            assert made_by(living).is_dir()
    assert foreign.is_dir()
    assert file.exists()
    assert link.is_symlink()
