"""Start, stop and failure of the supervisor and its workers, with real processes and real sessions."""

import os
import re
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from rig.milterclient import Address, MilterClient
from rig.process import alive, until
from rig.procfs import server_of
from rig.supervised import Session, Supervised

SESSIONS = 200


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("socket_name", ["inet:0@127.0.0.1", "inet6:0@[::1]", "inet:localhost:0", "unix:{}/socket"])
def test_sessions_are_served_over_every_kind_of_socket(tmp_path: Path, socket_name: str) -> None:
    with Supervised(tmp_path, socket=socket_name.format(tmp_path)) as service, service.session() as session:
        pid, _ = session.ask()
        assert {pid} == service.workers


def test_workers_share_the_sessions_and_lose_none(tmp_path: Path, stack: ExitStack) -> None:
    service = stack.enter_context(Supervised(tmp_path, workers=2))
    sessions = [stack.enter_context(service.session()) for _ in range(SESSIONS)]
    answers = Counter(session.ask()[0] for session in sessions)
    assert answers.total() == SESSIONS
    assert set(answers) == service.workers


def test_each_of_several_workers_stays_on_a_cpu_of_its_own(tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    with Supervised(tmp_path, workers=None) as service:
        assert service.line("ready")["workers"] == len(cpus)
        pinned = [os.sched_getaffinity(pid) for pid in service.workers]
        assert sorted(map(sorted, pinned)) == [[cpu] for cpu in cpus]


def test_without_the_right_to_pin_workers_serve_all_the_same_and_say_so(tmp_path: Path) -> None:
    with Supervised(tmp_path, workers=2, may_pin=False) as service:
        assert service.line("not pinned")["reason"] == "Operation not permitted"
        assert {frozenset(os.sched_getaffinity(pid)) for pid in service.workers} == {frozenset(os.sched_getaffinity(0))}
        with service.session() as session:
            session.ask()


def test_one_worker_may_use_every_cpu_and_says_so(tmp_path: Path) -> None:
    with Supervised(tmp_path, workers=1) as service:
        service.line("ready")
        assert service.line("not pinned")["reason"] == "one worker alone may go where it likes"
        (pid,) = service.workers
        assert os.sched_getaffinity(pid) == os.sched_getaffinity(0)


def test_a_libmilter_that_takes_no_open_socket_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with Supervised(tmp_path, fault="no fd") as service:
        assert service.wait() == os.EX_UNAVAILABLE
        assert "use Debian's libmilter" in service.line("this libmilter can't take over a socket")["remedy"]


def test_a_worker_may_open_more_files_than_the_usual_limit(tmp_path: Path) -> None:
    with Supervised(tmp_path, wrapper=("prlimit", "--nofile=256:16384")) as service:
        service.line("ready")
        (pid,) = service.workers
        assert "Max open files            8192 " in Path(f"/proc/{pid}/limits").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_closes_what_the_workers_had_opened_and_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Supervised(tmp_path, socket=f"unix:{tmp_path}/socket", workers=2) as service:
        service.line("ready")
        workers = service.workers
        service.send(number)
        assert service.wait() == 0
        assert {line["pid"] for line in service.lines if line["event"] == "closed"} == workers
        assert service.lines[-1]["event"] == "stopped"
        assert service.nothing_left
        assert not (tmp_path / "socket").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_stop_lets_a_session_finish_and_no_other_begin(tmp_path: Path, host: str) -> None:
    with Supervised(tmp_path, socket="inet:0@localhost") as service, service.session(host) as session:
        address = service.address
        service.send(signal.SIGTERM)
        service.line("stopping")
        until(lambda: refuses(address), "an end of listening")
        assert session.ask()[1] == "first"
        session.quit()
        assert service.wait() == 0


def test_a_stop_lets_a_session_finish_that_has_not_said_a_word_yet(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        address = service.address
        (worker,) = service.workers
        with socket.socket() as silent:
            silent.connect(address)
            until(lambda: server_of(silent.getsockname()[1]) == worker, "the connection's acceptance")
            service.send(signal.SIGTERM)
            service.line("stopping")
            until(lambda: refuses(address), "an end of listening")
            silent.sendall(bytes.fromhex("0000000d 4f 00000006 000001ff 001fffff"))
            assert silent.recv(5)[4:] == b"O"
        assert service.wait() == 0


@pytest.mark.slow
def test_a_stop_does_not_wait_for_ever_for_a_session(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service, service.session() as session:
        assert service.stop() == 0
        with pytest.raises(ConnectionError):
            session.rcpt()


@pytest.mark.slow
def test_a_worker_that_hangs_is_killed_at_a_stop(tmp_path: Path) -> None:
    with Supervised(tmp_path, fault="hangs") as service:
        until(lambda: service.workers, "a worker")
        assert service.stop() == 0
        assert service.line("worker killed")


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(20))
def test_every_stop_is_clean(tmp_path: Path, attempt: int) -> None:
    with Supervised(tmp_path, workers=2) as service, service.session() as session:
        assert session.ask()[1] == "first", attempt
        session.quit()
        assert service.stop() == 0
        assert service.nothing_left


def test_a_killed_worker_costs_its_own_sessions_only_and_is_replaced(tmp_path: Path, stack: ExitStack) -> None:
    service = stack.enter_context(Supervised(tmp_path, workers=2))
    dead = stack.enter_context(service.session())
    victim, _ = dead.ask()
    living = one_elsewhere(service, stack, victim)
    survivor, _ = living.ask()
    os.kill(victim, signal.SIGKILL)
    fields = {"pid": victim, "exit_code": -9, "doing": "serving", "replaced_in": 0}
    assert service.line("worker died") == {"event": "worker died", **fields}
    with pytest.raises(ConnectionError):
        dead.ask()
    assert living.ask()[0] == survivor
    until(lambda: len(service.workers) == 2, "another worker")
    (replacement,) = service.workers - {survivor}
    assert one_elsewhere(service, stack, survivor).ask()[0] == replacement


def test_a_worker_that_dies_again_is_replaced_after_a_pause(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service:
        service.line("ready")
        for death, pause in enumerate([0, 1]):
            until(lambda: service.workers, "a worker")
            os.kill(service.workers.pop(), signal.SIGKILL)
            assert service.line("worker died", death)["replaced_in"] == pause
        with service.session() as session:
            assert {session.ask()[0]} == service.workers


def test_a_worker_that_is_told_to_end_lets_its_session_finish_and_is_replaced(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service, service.session() as session:
        worker, _ = session.ask()
        os.kill(worker, signal.SIGTERM)
        assert session.ask()[0] == worker
        session.quit()
        assert service.line("worker died")["exit_code"] == 0
        with service.session() as another:
            assert another.ask()[0] != worker


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_worker_leaves_a_terminals_signals_to_the_supervisor(tmp_path: Path, number: signal.Signals) -> None:
    with Supervised(tmp_path) as service, service.session() as session:
        worker, _ = session.ask()
        os.kill(worker, number)
        assert session.ask()[0] == worker
        with service.session() as another:
            assert another.ask()[0] == worker


@pytest.mark.parametrize("frozen", [min, max], ids=["first", "last"])
def test_a_worker_ends_by_itself_when_the_supervisor_is_gone(
    tmp_path: Path, stack: ExitStack, frozen: Callable[[set[int]], int]
) -> None:
    service = stack.enter_context(Supervised(tmp_path, workers=2))
    service.line("ready")
    other = frozen(service.workers)
    (worker,) = service.workers - {other}
    one_elsewhere(service, stack, other)
    os.kill(other, signal.SIGSTOP)
    service.send(signal.SIGKILL)
    until(lambda: not alive(worker), "the end of the worker")


@pytest.mark.parametrize(
    ("keys", "exit_code", "reason"),
    [
        ({"fault": "no store"}, os.EX_SOFTWARE, "ended with 70 before all were ready"),
        ({"fault": "deaf"}, os.EX_SOFTWARE, "ended with 70 before all were ready"),
        ({"socket": "inet:0@192.0.2.1"}, os.EX_UNAVAILABLE, "can't listen on inet:0@192.0.2.1: Cannot assign"),
    ],
    ids=["store", "libmilter", "address"],
)
def test_a_service_that_cannot_start_says_why_and_ends(
    tmp_path: Path, keys: dict[str, Any], exit_code: int, reason: str
) -> None:
    with Supervised(tmp_path, **keys) as service:
        assert service.wait() == exit_code
        assert reason in service.line("cannot start")["reason"]
        assert service.nothing_left


def test_a_start_that_fails_leaves_no_socket(tmp_path: Path) -> None:
    with Supervised(tmp_path, socket=f"unix:{tmp_path}/socket", fault="no store") as service:
        assert service.wait() == os.EX_SOFTWARE
    assert not (tmp_path / "socket").exists()


@pytest.mark.slow
def test_a_worker_ends_that_libmilter_has_left(tmp_path: Path) -> None:
    with Supervised(tmp_path) as service, service.session() as session:
        with suppress(ConnectionError):
            session.rcpt("<stop>")
        assert service.line("worker died")["exit_code"] == os.EX_SOFTWARE


@pytest.mark.parametrize(
    ("socket_name", "reason"),
    [("inet:0@127.0.0.1", r"Address already in use"), ("unix:{}/socket", r"process (\d+) \(python.*\) listens on ")],
    ids=["inet", "unix"],
)
def test_a_second_start_is_refused_and_the_first_goes_on(tmp_path: Path, socket_name: str, reason: str) -> None:
    with Supervised(tmp_path, socket=socket_name.format(tmp_path)) as first:
        same = first.line("ready")["socket"]
        with Supervised(tmp_path, name="second", socket=same) as second:
            assert second.wait() == os.EX_UNAVAILABLE
            match = re.search(reason, second.line("cannot start")["reason"])
            assert match
            assert {int(pid) for pid in match.groups()} <= first.workers | {first.pid}
        with first.session() as session:
            assert {session.ask()[0]} == first.workers
            session.quit()
        assert first.stop() == 0


def test_a_start_after_a_crash_takes_the_socket_that_was_left(tmp_path: Path) -> None:
    name = f"unix:{tmp_path}/socket"
    with Supervised(tmp_path, socket=name) as first:
        first.line("ready")
    assert (tmp_path / "socket").exists()
    with Supervised(tmp_path, socket=name) as second, second.session() as session:
        assert {session.ask()[0]} == second.workers


def test_a_file_in_the_sockets_place_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "socket").write_text("precious")
    with Supervised(tmp_path, socket=f"unix:{tmp_path}/socket") as service:
        assert service.wait() == os.EX_CONFIG
    assert (tmp_path / "socket").read_text() == "precious"


def one_elsewhere(service: Supervised, stack: ExitStack, worker: int) -> Session:
    """Open sessions until one is not at that worker."""
    sessions: list[Session] = []

    def found() -> bool:
        sessions.append(stack.enter_context(service.session()))
        return sessions[-1].ask()[0] != worker

    until(found, "a session at another worker")
    return sessions[-1]


def refuses(address: Address) -> bool:
    """Whether no new session gets an answer."""
    with suppress(ConnectionError, TimeoutError):
        MilterClient(address, timeout=1).close()
        return False
    return True
