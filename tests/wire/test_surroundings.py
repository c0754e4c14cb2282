"""Whatever happens around the supervisor, mail goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rig.direct import session
from rig.lab import Lab
from rig.milterclient import MilterClient
from rig.numbers import Counted
from rig.process import Process, until
from rig.procfs import children
from rig.service import Milter64
from rig.servicemanager import ServiceManager, abstract
from rig.supervised import Supervised

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
MEMORY = 'greylist.store = "memory:"\n'


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach, which those of pytest are not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_is_no_longer_ours_holds_up_no_reload(open_folder: Path) -> None:
    old, new = open_folder / "old", open_folder / "new"
    for folder in (old, new):
        folder.mkdir()
        os.chown(folder, 65534, 65534)
    with Supervised(open_folder, socket=f"unix:{old}/socket", wrapper=NOBODY) as service:
        service.line("ready")
        os.chown(old, 0, 0)
        service.configure(socket=f"unix:{new}/socket")
        service.send(signal.SIGHUP)
        service.line("reloaded")
        with service.session() as another:
            another.ask()
            another.quit()
        assert service.stop() == 0


def test_what_nobody_thought_of_costs_the_reload_alone(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service, service.session() as before:
        before.ask()
        service.configure(fault="deep")
        service.send(signal.SIGHUP)
        assert "RecursionError" in service.line("reload refused, nothing has changed")["reason"]
        service.configure(fault="log")  # it fails when the new workers take over
        service.send(signal.SIGHUP)
        assert service.line("fault")["where"] == "reload"
        assert service.line("fault", 1)["where"] == "supervisor"
        service.configure(fault="", greeting="second")
        service.send(signal.SIGHUP)
        service.line("reloaded", 1)
        with service.session() as after:
            assert after.ask()[1] == "second"
        assert before.ask()[1] == "first"


def test_without_descriptors_nothing_changes_and_with_them_all_is_well_again(tmp_path: Path) -> None:
    with (
        ServiceManager(abstract(), watchdog=0.9) as manager,
        Supervised(tmp_path, wrapper=manager.wrapper) as service,
    ):
        manager.expect("READY")
        (worker,) = service.workers
        limit(service.pid, 0)
        service.send(signal.SIGHUP)
        until(lambda: service.lines[-1]["event"] == "reload refused, nothing has changed", "a refusal")
        os.kill(worker, signal.SIGKILL)
        service.line("worker died")
        service.line("can't start a worker")
        limit(service.pid, 1024)
        manager.expect("RELOADING")
        assert "refused" in manager.expect("READY")["STATUS"]
        with service.session() as session:
            session.ask()
        service.send(signal.SIGHUP)
        service.line("reloaded")


def limit(pid: int, files: int) -> None:
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={files}:1024"], check=True)


def test_a_log_reader_that_hangs_holds_up_neither_mail_nor_the_end(tmp_path: Path) -> None:
    fifo, file = tmp_path / "log", tmp_path / "milter64.toml"
    os.mkfifo(fifo)
    hanging = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(hanging, b"x" * 4096)
    file.write_text(f'{MEMORY}dns.nameservers = ["127.0.0.1:9"]\nmilter.socket = "unix:{tmp_path}/socket"\n')
    with (
        ServiceManager(abstract()) as manager,
        Process(*manager.wrapper, "sh", "-c", f'exec "$@" 2>{fifo}', "sh", *Milter64.program, file) as service,
    ):
        manager.expect("READY")
        service.send(signal.SIGHUP)
        manager.expect("READY")
        with MilterClient(f"{tmp_path}/socket") as client:
            client.connect()
            client.quit()
        assert service.stop() == 0
    os.close(hanging)


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_harm_nobody(lab: Lab, closed: str) -> None:
    class Closed(Milter64):
        program = ("sh", "-c", f'exec "$@" {closed}', "sh", *Milter64.program)

    milter = lab.start(Closed, MEMORY)
    with session(milter) as client:
        client.connect()
        client.quit()
    opened = {Path(f"/proc/{children(milter.pid)[0]}/fd/{number}").readlink() for number in range(3)}
    assert Path("/dev/null") in opened
    assert not any(path.name.startswith("socket:") for path in opened)
    assert milter.stop() == 0


def test_a_log_that_nobody_reads_any_more_harms_nobody(tmp_path: Path) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text(f'{MEMORY}dns.nameservers = ["127.0.0.1:9"]\nmilter.socket = "unix:{tmp_path}/socket"\n')
    with ServiceManager(abstract()) as manager:
        service = subprocess.Popen(
            [*manager.wrapper, sys.executable, "-m", "milter64", "run", "--config", file], stderr=subprocess.PIPE
        )
        try:
            manager.expect("READY")
            assert service.stderr
            service.stderr.close()
            service.send_signal(signal.SIGHUP)
            manager.expect("READY")
            service.terminate()
            assert service.wait(20) == 0
        finally:
            service.kill()


def test_reloads_lose_no_descriptor(lab: Lab) -> None:
    milter = lab.start(Counted, MEMORY)
    milter.wait_log(lambda line: line["event"] == "ready")

    def reload(times: int) -> None:
        for _ in range(times):
            done = milter.number("reloads_total", result="done")
            milter.reload()
            milter.counts_to(done + 1, "reloads_total", result="done")
        until(lambda: len(children(milter.pid)) == 2, "the end of the workers before")

    def descriptors() -> int:
        return len(list(Path(f"/proc/{milter.pid}/fd").iterdir()))

    reload(1)
    before = descriptors()
    reload(10)
    until(lambda: descriptors() == before, "as many descriptors as before")


@pytest.mark.parametrize(
    "inherited",
    [
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    ],
)
def test_signals_that_it_inherits_ignored_or_blocked_keep_it_from_nothing(tmp_path: Path, inherited: str) -> None:
    program = f"import os, signal, sys; {inherited}; os.execvp(sys.argv[1], sys.argv[1:])"
    with Supervised(tmp_path, wrapper=(sys.executable, "-c", program)) as service:
        service.line("ready")
        (worker,) = service.workers
        os.kill(worker, signal.SIGKILL)
        assert until(lambda: service.workers - {worker}, "another worker")
        with service.session() as session:
            session.ask()
            session.quit()
        service.send(signal.SIGHUP)
        service.line("reloaded")
        assert service.stop() == 0
