"""Many mail servers' processes connect at the same instant, when no worker has time for them."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig.milterclient import connected
from rig.supervised import Session, Supervised

AT_ONCE = 500


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["inet:0@localhost", "unix:{}/socket"], ids=["inet", "unix"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervised]:
    with Supervised(tmp_path, socket=request.param.format(tmp_path), workers=2, leave=0.1) as service:
        yield service


def tell(workers: set[int], number: signal.Signals) -> None:
    for worker in workers:
        os.kill(worker, number)


def test_all_are_served(service: Supervised, stack: ExitStack) -> None:
    address, workers = service.address, service.workers
    tell(workers, signal.SIGSTOP)
    waiting = [stack.enter_context(connected(address)) for _ in range(AT_ONCE)]
    tell(workers, signal.SIGCONT)
    sessions = [stack.enter_context(Session(connection)) for connection in waiting]
    assert {session.ask()[0] for session in sessions} <= workers


def test_all_are_served_around_a_reload(service: Supervised, stack: ExitStack) -> None:
    address, before = service.address, service.workers
    tell(before, signal.SIGSTOP)
    waiting = [stack.enter_context(connected(address)) for _ in range(AT_ONCE // 2)]
    service.configure(greeting="second")
    service.send(signal.SIGHUP)
    waiting += [stack.enter_context(connected(address)) for _ in range(AT_ONCE // 2)]
    service.line("reloaded")
    tell(before, signal.SIGCONT)
    sessions = [stack.enter_context(Session(connection)) for connection in waiting]
    assert {session.ask()[1] for session in sessions} <= {"first", "second"}
