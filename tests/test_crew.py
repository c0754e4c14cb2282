"""What the supervisor knows of its workers."""

import os
import socket
from unittest.mock import sentinel

import pytest

from milter64 import worker
from milter64.crew import Worker, backoff
from milter64.worker import cpus

ALL = sorted(os.sched_getaffinity(0))


def test_a_worker_that_does_not_answer_is_not_asked_again() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        member = Worker(crew=sentinel.crew, duty=sentinel.duty, pid=1, channel=ours, deaths=0)
        member.ask()
        member.ask()
        assert theirs.recv(10) == worker.ASK
        member.awake = True
        member.ask()
        assert theirs.recv(10) == worker.ASK


def test_what_a_dead_worker_is_told_is_lost() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        Worker(crew=sentinel.crew, duty=sentinel.duty, pid=1, channel=ours, deaths=0).order(worker.STOP)


@pytest.mark.parametrize(("deaths", "seconds"), [(0, 0), (1, 1), (2, 2), (5, 16), (6, 30), (99, 30)])
def test_a_worker_is_replaced_at_once_and_later_after_a_pause_that_grows(deaths: int, seconds: int) -> None:
    assert backoff(deaths) == seconds


@pytest.mark.parametrize(
    ("workers", "expected"),
    [(1, [None]), (None, ALL if len(ALL) > 1 else [None]), (len(ALL) + 1, [*ALL, ALL[0]] if len(ALL) > 1 else ALL * 2)],
    ids=["one", "auto", "more than CPUs"],
)
def test_each_of_several_workers_has_a_cpu(workers: int | None, expected: list[int | None]) -> None:
    assert cpus(workers) == expected
