"""What goes to NOTIFY_SOCKET, by sd_notify(3), sd_watchdog_enabled(3) and systemd.service(5)."""

import errno
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from milter64.service.systemd_notify import Notifier
from rig.servicemanager import ServiceManager, abstract


@pytest.mark.parametrize("address", ["path", "abstract"])
@pytest.mark.parametrize(
    ("say", "words"),
    [
        (lambda notifier: notifier.ready("2 workers"), {"READY": "1", "STATUS": "2 workers"}),
        (lambda notifier: notifier.ready("a\nREADY=0"), {"READY": "1", "STATUS": "a READY=0"}),
        (Notifier.stopping, {"STOPPING": "1"}),
        (Notifier.alive, {"WATCHDOG": "1"}),
        (lambda notifier: notifier.status("café"), {"STATUS": "café"}),
        (lambda notifier: notifier.status("a" * 1_000_000), {"STATUS": "a" * 993}),
    ],
    ids=["ready", "line", "stopping", "alive", "status", "endless"],
)
def test_each_word_is_a_datagram_of_assignments(
    tmp_path: Path, address: str, say: Callable[[Notifier], None], words: dict[str, str]
) -> None:
    with ServiceManager(tmp_path / "notify" if address == "path" else abstract()) as manager:
        say(Notifier(manager.environment))
        assert manager.receive() == words


def test_a_reload_comes_with_the_time_of_the_clock_that_systemd_reads() -> None:
    with ServiceManager(abstract()) as manager:
        before = time.monotonic_ns() // 1000
        Notifier(manager.environment).reloading()
        words = manager.receive()
        assert words.keys() == {"RELOADING", "MONOTONIC_USEC"}
        assert before <= int(words["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere"}])
def test_without_a_listener_nothing_is_said_and_nothing_breaks(environment: dict[str, str]) -> None:
    Notifier(environment).ready("")


def test_a_listener_that_does_not_read_holds_nobody_up() -> None:
    with ServiceManager(abstract()) as manager:
        notifier = Notifier(manager.environment)
        for _ in range(10_000):
            notifier.alive()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "", "WATCHDOG_PID": str(os.getpid())}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({"WATCHDOG_USEC": "0"}, 0),
        ({"WATCHDOG_USEC": "1"}, 0.3),
        ({"WATCHDOG_USEC": "9" * 5000}, 0),
        ({"WATCHDOG_USEC": "30000000", "NOTIFY_SOCKET": ""}, 0),
    ],
)
def test_the_watchdogs_time_is_read_if_it_is_meant_for_this_process(
    environment: dict[str, str], seconds: float
) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/nowhere", **environment}).watchdog == seconds


def test_an_at_sign_inside_a_path_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "user@1000.service"
    folder.mkdir()
    with ServiceManager(folder / "notify") as manager:
        Notifier({"NOTIFY_SOCKET": str(folder / "notify")}).stopping()
        assert manager.receive() == {"STOPPING": "1"}


def test_readiness_arrives_though_the_queue_was_full() -> None:
    with ServiceManager(abstract()) as manager:
        notifier = Notifier(manager.environment)
        for _ in range(10_000):
            notifier.alive()
        notifier.ready("1 worker")
        notifier.status("well")
        assert manager.receive() == {"WATCHDOG": "1"}
        notifier.again()
        said = [manager.receive()]
        while manager.pending:
            notifier.again()
            said.append(manager.receive())
        assert [words for words in said if words != {"WATCHDOG": "1"}] == [
            {"READY": "1", "STATUS": "1 worker"},
            {"STATUS": "well"},
        ]


def test_without_a_descriptor_to_be_had_it_is_said_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    with ServiceManager(abstract()) as manager:
        notifier = Notifier(manager.environment)
        with monkeypatch.context() as out_of_them:
            out_of_them.setattr(socket, "socket", none_left)
            notifier.alive()
            notifier.ready("1 worker")
        assert not manager.pending
        notifier.again()
        assert manager.receive() == {"READY": "1", "STATUS": "1 worker"}
