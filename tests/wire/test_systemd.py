"""What the service tells systemd, at which moment; systemd's part is played by the test."""

import os
import signal
from pathlib import Path

import pytest

from rig.lab import Lab
from rig.milterclient import MilterClient
from rig.process import Process, until
from rig.service import Milter64
from rig.servicemanager import ServiceManager, abstract
from rig.supervised import Supervised

WATCHDOG = 0.9


@pytest.mark.parametrize("address", ["path", "abstract"])
def test_a_start_a_reload_and_a_stop_are_told_by_the_first_process_alone(
    tmp_path: Path, lab: Lab, address: str
) -> None:
    with ServiceManager(tmp_path / "notify" if address == "path" else abstract()) as manager:

        class Notifying(Milter64):
            program = (*manager.wrapper, *Milter64.program)

        milter = lab.start(Notifying, 'greylist.store = "memory:"')
        status = f"inet:{milter.port}@localhost, workers: 1"
        assert manager.receive() == {"READY": "1", "STATUS": f"ready: {status}"}
        milter.reload()
        assert manager.receive().keys() == {"RELOADING", "MONOTONIC_USEC"}
        assert manager.receive() == {"READY": "1", "STATUS": f"reloaded: {status}"}
        milter.configure("nonsense = 1")
        milter.reload()
        assert manager.receive().keys() == {"RELOADING", "MONOTONIC_USEC"}
        refused = manager.receive()
        assert refused["READY"] == "1"
        assert refused["STATUS"].startswith("reload refused, nothing has changed: ")
        assert "nonsense" in refused["STATUS"]
        assert milter.stop() == 0
        assert manager.receive() == {"STOPPING": "1"}
        assert not manager.pending
        assert manager.pids == {milter.pid}


def test_ready_is_told_when_it_can_be_connected_to_and_not_before(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    keys = {"socket": f"unix:{tmp_path}/socket", "gate": str(gate)}
    with ServiceManager(abstract()) as manager, Supervised(tmp_path, wrapper=manager.wrapper, **keys) as service:
        writer = until(lambda: opened(gate), "a worker at the gate")
        assert not manager.pending
        os.close(writer)
        assert manager.receive()["READY"] == "1"
        with MilterClient(f"{tmp_path}/socket") as client:
            client.connect()
        assert service.stop() == 0


def opened(fifo: Path) -> int | None:
    """Open a fifo for writing, if somebody reads it."""
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def test_a_reload_that_does_not_rise_is_ready_again(tmp_path: Path) -> None:
    with ServiceManager(abstract()) as manager, Supervised(tmp_path, wrapper=manager.wrapper) as service:
        assert manager.receive()["READY"] == "1"
        service.configure(fault="no store")
        service.send(signal.SIGHUP)
        assert "RELOADING" in manager.receive()
        words = manager.receive()
        assert words["READY"] == "1"
        assert "ended with 70 before all were ready" in words["STATUS"]


def test_a_broken_configuration_is_never_ready_and_ends_with_78(tmp_path: Path) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text("nonsense = 1")
    with (
        ServiceManager(abstract()) as manager,
        Process(*manager.wrapper, *Milter64.program, file) as service,
    ):
        assert service.wait() == os.EX_CONFIG
        assert "nonsense" in service.output
        assert not manager.pending


def test_the_watchdog_hears_of_the_service_again_and_again(tmp_path: Path) -> None:
    with (
        ServiceManager(abstract(), watchdog=WATCHDOG) as manager,
        Supervised(tmp_path, workers=2, wrapper=manager.wrapper) as service,
    ):
        manager.expect("READY")
        for _ in range(5):
            assert manager.receive() == {"WATCHDOG": "1"}
        assert len(service.workers) == 2


def test_the_watchdog_hears_nothing_while_a_worker_is_stuck(tmp_path: Path) -> None:
    with (
        ServiceManager(abstract(), watchdog=WATCHDOG) as manager,
        Supervised(tmp_path, workers=2, wrapper=manager.wrapper) as service,
    ):
        manager.expect("READY")
        stuck = max(service.workers)
        os.kill(stuck, signal.SIGSTOP)
        words = manager.expect("STATUS")
        for _ in range(5):
            assert words == {"STATUS": f"workers that don't answer: {stuck}"}
            words = manager.receive()
        os.kill(stuck, signal.SIGCONT)
        manager.expect("WATCHDOG")
        assert manager.receive() == {"WATCHDOG": "1"}


def test_a_worker_that_has_died_is_replaced_and_the_watchdog_not_kept_waiting(tmp_path: Path) -> None:
    with (
        ServiceManager(abstract(), watchdog=WATCHDOG) as manager,
        Supervised(tmp_path, workers=2, wrapper=manager.wrapper) as service,
    ):
        manager.expect("READY")
        dead = max(service.workers)
        os.kill(dead, signal.SIGKILL)
        service.line("worker died")
        until(lambda: len(service.workers - {dead}) == 2, "another worker")
        assert [manager.receive() for _ in range(5)] == [{"WATCHDOG": "1"}] * 5
