"""HUP puts another configuration in the place of the one that is served, and costs no session."""

import os
import signal
import socket
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rig.process import alive, until
from rig.procfs import stopped
from rig.supervised import Supervised

SESSIONS = 200


def test_a_reload_gives_new_sessions_new_workers_and_leaves_the_old_ones_theirs(tmp_path: Path) -> None:
    with Supervised(tmp_path, workers=2) as service, service.session() as old:
        worker, _ = old.ask()
        before = service.workers
        service.configure(greeting="second", workers=1, policy="observe")
        service.send(signal.SIGHUP)
        assert service.line("reloaded")["workers"] == 1
        assert [line["mode"] for line in service.lines if "mode" in line] == ["enforce", "observe"]
        with service.session() as new:
            assert new.ask()[1] == "second"
        until(lambda: not any(map(alive, before - {worker})), "the end of the idle old worker")
        assert old.ask() == (worker, "first")
        old.quit()
        until(lambda: service.workers.isdisjoint(before), "the end of the other old worker")
        assert {line["event"] for line in service.lines} == {"ready", "reloaded", "closed", "not pinned"}


def test_no_session_is_lost_across_a_reload(tmp_path: Path) -> None:
    with Supervised(tmp_path, workers=2) as service, ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        in_flight = [stack.enter_context(service.session()) for _ in range(SESSIONS // 2)]
        service.configure(greeting="second")
        service.send(signal.SIGHUP)

        def whole_session(_number: int) -> str:
            with service.session() as session:
                greeting = session.ask()[1]
                session.quit()
                return greeting

        meanwhile: list[str] = []
        while len(meanwhile) < SESSIONS // 2 or meanwhile[-1] != "second":
            meanwhile += pool.map(whole_session, range(20))
        assert set(meanwhile) <= {"first", "second"}
        assert service.line("reloaded")
        assert [session.ask()[1] for session in in_flight] == ["first"] * len(in_flight)


def no_file(service: Supervised) -> None:
    service.file.unlink()


def foreign_socket(service: Supervised) -> None:
    path = service.file.parent / "foreign"
    path.touch()
    service.configure(socket=f"unix:{path}")


def new_socket_and_no_store(service: Supervised) -> None:
    service.configure(socket=f"unix:{service.file.parent}/new", fault="no store")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda service: service.configure(error="spf.enabled: must be true or false"), "spf.enabled: must be true"),
        (no_file, "No such file or directory"),
        (foreign_socket, "foreign is no socket"),
        (lambda service: service.configure(fault="no store"), "ended with 70 before all were ready"),
        (lambda service: service.configure(group="no-such-group"), "there is no group 'no-such-group'"),
        (new_socket_and_no_store, "ended with 70 before all were ready"),
    ],
    ids=["value", "file", "path", "store", "group", "store and socket"],
)
def test_a_reload_that_is_no_good_changes_nothing_and_says_why(
    tmp_path: Path, spoil: Callable[[Supervised], None], reason: str
) -> None:
    with Supervised(tmp_path, socket=f"unix:{tmp_path}/socket", workers=2) as service, service.session() as session:
        session.ask()
        before = service.workers
        spoil(service)
        service.send(signal.SIGHUP)
        assert reason in service.line("reload refused, nothing has changed")["reason"]
        until(lambda: service.workers == before, "the end of the new workers")
        assert [path.name for path in tmp_path.iterdir() if path.is_socket()] == ["socket"]
        assert session.ask()[1] == "first"
        with service.session() as another:
            assert another.ask()[0] in before
        session.quit()
        assert service.stop() == 0
        assert service.nothing_left


def test_a_reload_after_one_that_was_no_good_works(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        service.line("ready")
        service.configure(fault="no store")
        service.send(signal.SIGHUP)
        service.line("reload refused, nothing has changed")
        service.configure(fault="", greeting="third")
        service.send(signal.SIGHUP)
        service.line("reloaded")
        with service.session() as session:
            assert session.ask()[1] == "third"


def test_of_a_crew_that_does_not_rise_nobody_lets_anybody_in(tmp_path: Path) -> None:
    with Supervised(tmp_path, workers=2, allowed=5, rise=1) as service:
        service.line("ready")
        service.configure(greeting="second", fault="one hangs")
        service.send(signal.SIGHUP)
        greetings = set[str]()
        while "reload refused, nothing has changed" not in {line["event"] for line in service.lines}:
            with service.session() as session:
                greetings.add(session.ask()[1])
        assert greetings == {"first"}


def test_a_second_reload_during_the_first_is_not_forgotten(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Supervised(tmp_path) as service:
        service.line("ready")
        service.configure(greeting="second", gate=str(gate))
        before = service.workers
        service.send(signal.SIGHUP)
        until(lambda: service.workers > before, "a new worker")
        service.configure(greeting="third", gate="")
        service.send(signal.SIGHUP)
        gate.write_text("")
        service.line("reloaded", 1)
        with service.session() as session:
            assert session.ask()[1] == "third"


def stop(worker: int) -> None:
    os.kill(worker, signal.SIGSTOP)
    until(lambda: stopped(worker), "a worker that stands still")


def test_a_reload_is_over_when_nobody_comes_to_the_old_workers_any_more(tmp_path: Path) -> None:
    with Supervised(tmp_path, leave=3600) as service, service.session() as kept:
        old, _ = kept.ask()
        stop(old)
        service.configure(greeting="second")
        service.send(signal.SIGHUP)
        for _ in range(20):
            with service.session() as session:
                assert session.ask()[1] == "second"
        assert {line["event"] for line in service.lines} == {"ready", "not pinned"}
        os.kill(old, signal.SIGCONT)
        service.line("reloaded")


def test_a_reload_does_not_wait_for_an_old_worker_for_ever(tmp_path: Path) -> None:
    with Supervised(tmp_path, leave=0.1) as service:
        service.line("ready")
        (old,) = service.workers
        stop(old)
        service.send(signal.SIGHUP)
        service.line("reloaded")
        assert alive(old)


def test_nobody_hears_of_a_reload_that_a_stop_has_cut_short(tmp_path: Path) -> None:
    with Supervised(tmp_path, leave=1) as service:
        service.line("ready")
        (old,) = service.workers
        stop(old)
        service.configure(greeting="second")
        service.send(signal.SIGHUP)
        with service.session() as session:
            assert session.ask()[1] == "second"
        service.send(signal.SIGTERM)
        assert service.wait() == 0
        events = [line["event"] for line in service.lines]
        assert set(events[events.index("stopping") :]) == {"stopping", "closed", "worker killed", "stopped"}


def test_a_stop_during_a_reload_ends_everybody(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with Supervised(tmp_path, workers=2) as service:
        service.line("ready")
        service.configure(gate=str(gate), workers=1)
        before = service.workers
        service.send(signal.SIGHUP)
        until(lambda: service.workers > before, "a new worker")
        service.send(signal.SIGTERM)
        service.line("stopping")
        gate.write_text("")
        assert service.wait() == 0
        assert service.nothing_left


def test_a_stop_ends_retired_workers_too(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service, service.session() as session:
        worker, _ = session.ask()
        service.send(signal.SIGHUP)
        service.line("reloaded")
        service.send(signal.SIGTERM)
        service.line("stopping")
        assert session.ask()[0] == worker
        session.quit()
        assert service.wait() == 0
        assert service.nothing_left


def test_a_retired_worker_that_dies_is_not_replaced(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service, service.session() as session:
        worker, _ = session.ask()
        service.send(signal.SIGHUP)
        service.line("reloaded")
        os.kill(worker, signal.SIGKILL)
        until(lambda: worker not in service.workers, "its burial")
        assert len(service.workers) == 1
        assert service.lines[-1]["event"] == "reloaded"


def test_a_reload_moves_to_another_socket(tmp_path: Path) -> None:
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    with Supervised(tmp_path, socket=f"unix:{old}") as service:
        service.line("ready")
        service.configure(socket=f"unix:{new}", greeting="moved")
        service.send(signal.SIGHUP)
        service.line("reloaded")
        assert not Path(old).exists()
        with service.session() as session:
            assert session.ask()[1] == "moved"
        assert service.stop() == 0
        assert not Path(new).exists()


def test_a_reload_changes_the_mode_of_the_socket_that_is_served(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Supervised(tmp_path, socket=f"unix:{path}", mode=0o600) as service:
        service.line("ready")
        inode = path.stat().st_ino
        service.configure(mode=0o666)
        service.send(signal.SIGHUP)
        service.line("reloaded")
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        assert path.stat().st_ino == inode


@pytest.mark.slow
def test_workers_that_never_get_ready_are_given_up(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        service.line("ready")
        before = service.workers
        service.configure(fault="hangs")
        service.send(signal.SIGHUP)
        event = "reload refused, nothing has changed"
        until(lambda: any(line["event"] == event for line in service.lines), event, seconds=60)
        assert "not ready after 30 s" in service.line(event)["reason"]
        until(lambda: service.workers == before, "the end of the new workers")


def test_a_socket_that_has_been_left_is_free(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        address: Any = service.address
        service.configure(socket=f"unix:{tmp_path}/socket")
        service.send(signal.SIGHUP)
        service.line("reloaded")

        def refused() -> bool:
            with socket.socket() as connection:
                return connection.connect_ex(address) != 0

        until(refused, "an end of listening")
