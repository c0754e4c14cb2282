"""What the supervisor knows of its workers."""

import os
import socket
from collections.abc import Iterator
from unittest.mock import sentinel

import pytest

from milter64.service import channel
from milter64.service.crash_frames import LastWords
from milter64.service.worker import cpus
from milter64.service.worker_state import Worker, backoff

ALL = sorted(os.sched_getaffinity(0))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        yield ours, theirs


def member(channel: socket.socket) -> Worker:
    return Worker(
        crew=sentinel.crew, duty=sentinel.duty, slot=0, pid=1, channel=channel, last_words=LastWords(), deaths=0
    )


def test_a_worker_that_does_not_answer_is_not_asked_again(ends: tuple[socket.socket, socket.socket]) -> None:
    asked = member(ends[0])
    asked.ask()
    asked.ask()
    assert ends[1].recv(10) == channel.ASK
    asked.hear(channel.READY)
    asked.ask()
    assert ends[1].recv(10) == channel.ASK


def test_a_worker_is_silent_that_was_seen_to_be_so_and_not_because_we_slept(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    asked = member(ends[0])
    assert not asked.silent(0)
    asked.ask()
    assert not asked.silent(0)
    for _ in range(3):
        asked.ask()
    assert asked.silent(0)
    assert not asked.silent(3600)
    asked.hear(channel.READY)
    assert not asked.silent(0)


def test_what_a_dead_worker_is_told_is_lost(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[1].close()
    member(ends[0]).order(channel.STOP)


def test_who_never_listens_holds_nobody_up(ends: tuple[socket.socket, socket.socket]) -> None:
    deaf = member(ends[0])
    for _ in range(10_000):
        deaf.order(channel.STOP)


@pytest.mark.parametrize(("deaths", "seconds"), [(0, 0), (1, 1), (2, 2), (3, 4), (7, 4), (99, 4)])
def test_a_worker_is_replaced_at_once_and_later_after_a_pause_of_less_than_five_seconds(
    deaths: int, seconds: int
) -> None:
    assert backoff(deaths) == seconds


@pytest.mark.parametrize(
    ("workers", "expected"),
    [(1, [None]), (None, ALL if len(ALL) > 1 else [None]), (len(ALL) + 1, [*ALL, ALL[0]] if len(ALL) > 1 else ALL * 2)],
    ids=["one", "auto", "more than CPUs"],
)
def test_each_of_several_workers_has_a_cpu(workers: int | None, expected: list[int | None]) -> None:
    assert cpus(workers) == expected
