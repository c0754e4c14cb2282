"""Alive means serving: who can't answer a new session is replaced, and so is a socket that nobody finds any more."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from rig.process import alive, until
from rig.servicemanager import ServiceManager, abstract
from rig.supervised import Session, Supervised

pytestmark = pytest.mark.long

ALLOWED = 1.0


def mute(session: Session) -> None:
    session.rcpt("<mute>")


def hog(session: Session) -> None:
    session.send_rcpt("<hog>")


def stop(session: Session) -> None:
    os.kill(session.ask()[0], signal.SIGSTOP)


@pytest.mark.parametrize(
    ("spoil", "doing"),
    [(mute, "negotiate (telltale.py:"), (hog, "envrcpt (telltale.py:"), (stop, "serving")],
    ids=["no negotiation", "the GIL", "stopped"],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_answers_no_new_session_is_replaced_and_the_line_says_what_it_was_doing(
    tmp_path: Path, spoil: Callable[[Session], None], doing: str, workers: int
) -> None:
    with Supervised(tmp_path, workers=workers, allowed=ALLOWED) as service, service.session() as session:
        stuck, _ = session.ask()
        spoil(session)
        killed = service.line("worker killed")
        assert killed["pid"] == stuck
        assert killed["reason"] == "no new session was answered within 1 s"
        died = service.line("worker died")
        assert died["pid"] == stuck
        assert doing in died["doing"]
        assert died["replaced_in"] == 0
        until(lambda: len(service.workers - {stuck}) == workers, "a replacement")
        with service.session() as another:
            assert another.ask()[0] != stuck


def test_a_worker_that_answers_is_left_in_peace_however_often_it_is_asked(tmp_path: Path) -> None:
    with (
        ServiceManager(abstract(), watchdog=0.06) as manager,
        Supervised(tmp_path, workers=2, wrapper=manager.wrapper, allowed=ALLOWED) as service,
        service.session() as session,
    ):
        manager.expect("READY")
        before, descriptors = service.workers, {pid: count(pid) for pid in service.workers}
        for _ in range(100):
            assert manager.receive() == {"WATCHDOG": "1"}
            with service.session() as another:
                another.ask()
        assert service.workers == before
        assert session.ask()[1] == "first"
        until(lambda: all(count(pid) <= descriptors[pid] for pid in before), "the descriptors to be what they were")


def count(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_crash_says_what_the_worker_was_doing(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service, service.session() as session:
        with suppress(ConnectionError):
            session.rcpt("<crash>")
        died = service.line("worker died")
        assert died["exit_code"] == -signal.SIGSEGV
        assert died["doing"].startswith("serving: ")
        assert "envrcpt (telltale.py:" in died["doing"]


def test_a_retired_worker_that_is_stuck_is_ended(tmp_path: Path) -> None:
    with Supervised(tmp_path, allowed=ALLOWED) as service, service.session() as session:
        retired, _ = session.ask()
        service.send(signal.SIGHUP)
        service.line("reloaded")
        os.kill(retired, signal.SIGSTOP)
        assert service.line("worker killed")["pid"] == retired
        until(lambda: not alive(retired), "its end")
        assert len(service.workers - {retired}) == 1


def test_a_retired_worker_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with Supervised(tmp_path, fault="lingers", allowed=ALLOWED) as service:
        service.line("ready")
        (retired,) = service.workers
        service.configure(fault="")
        service.send(signal.SIGHUP)
        assert service.line("closed")["pid"] == retired
        assert service.line("worker killed")["pid"] == retired
        until(lambda: not alive(retired), "its end")


def test_a_replacement_that_never_gets_ready_is_replaced_too(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Supervised(tmp_path, rise=1.0, allowed=ALLOWED) as service:
        service.line("ready")
        service.configure(gate=str(gate))
        service.send(signal.SIGHUP)
        gate.write_text("")
        service.line("reloaded")
        (worker,) = until(lambda: service.workers if len(service.workers) == 1 else None, "the new worker alone")
        os.kill(worker, signal.SIGKILL)
        assert service.line("worker killed")["reason"] == "it is not ready after 1 s"
        gate.write_text("")
        with service.session() as session:
            session.ask()


def deleted(path: Path) -> None:
    path.unlink()


def replaced_by_a_dead_one(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


@pytest.mark.parametrize("spoil", [deleted, replaced_by_a_dead_one, moved])
def test_a_socket_that_nobody_finds_any_more_is_opened_anew_and_costs_no_session(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "socket"
    with (
        Supervised(tmp_path, socket=f"unix:{path}", mode=0o606, allowed=ALLOWED) as service,
        service.session() as session,
    ):
        session.ask()
        spoil(path)
        assert service.line("the socket's file was deleted or replaced")
        assert service.line("socket opened anew")["socket"] == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o606
        with service.session() as another:
            assert another.ask()[0] != session.ask()[0]
        session.quit()
        assert service.stop() == 0
        assert not path.exists()


def test_a_socket_that_is_another_process_s_now_is_opened_anew_when_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Supervised(tmp_path, socket=f"unix:{path}", allowed=ALLOWED) as service:
        service.line("ready")
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()
            reason = service.line("the socket's file is gone, nobody can connect")["reason"]
            assert "listens on" in reason
        service.line("socket opened anew")
        with service.session() as session:
            session.ask()
        assert sum(line["event"].startswith("the socket's file is gone") for line in service.lines) == 1
