"""Names of servers: a name server that keeps silent holds nobody up, and takes away nothing that was known."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from threading import enumerate as threads
from typing import Any

import pytest

from milter64.sharing.addresses import Addresses
from rig.asker import asked, opened
from rig.process import until
from rig.redis import Redis

NAME = "redis.lab.example"


class Resolver:
    """The system's resolver, but for one name, about which the name servers keep silent while `talks` is clear."""

    def __init__(self) -> None:
        self.talks = Event()
        self.addresses = ["127.0.0.1"]
        self._real = socket.getaddrinfo

    def __call__(self, host: str, port: int, type: int, flags: int) -> list[Any]:  # noqa: A002  as it is called
        if host != NAME or flags:
            return self._real(host, port, type=type, flags=flags)
        self.talks.wait(20.0)
        return [found for each in self.addresses for found in self._real(each, port, type=type)]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield resolver
    resolver.talks.set()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


def test_the_address_that_worked_last_is_used_where_the_name_servers_keep_silent(
    redis: Redis, resolver: Resolver
) -> None:
    resolver.talks.set()
    with asked(f"redis://{NAME}:{redis.port}") as asker:
        resolver.talks.clear()
        asker.holds(redis.kill, redis.restart, "closed the connection|reset|Broken pipe")


def test_where_there_is_none_it_is_told_and_works_when_they_talk(redis: Redis, resolver: Resolver) -> None:
    lines: list[str] = []
    with opened(f"redis://{NAME}:{redis.port}", lines) as servers:
        until(lambda: lines)
        assert f"the name servers keep silent about {NAME}" in lines[0]
        resolver.talks.set()
        begun = time.monotonic()
        until(lambda: servers.edition)
        assert time.monotonic() - begun < 2.0


def test_few_threads_wait_for_a_name(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milter64.sharing.addresses._PATIENCE", 0.01)
    addresses = Addresses()
    for _ in range(40):
        with pytest.raises(OSError, match="keep silent"):
            addresses.connect((NAME, 1), 0.1)
    assert sum(each.name == "sharing" for each in threads()) == 16
    resolver.talks.set()
    until(lambda: not any(each.name == "sharing" for each in threads()))


def test_the_next_address_is_tried_where_one_refuses_and_the_one_that_worked_comes_first(
    redis: Redis, resolver: Resolver
) -> None:
    resolver.talks.set()
    resolver.addresses = ["127.0.0.2", "127.0.0.1"]
    addresses = Addresses()
    for _ in range(2):
        addresses.connect((NAME, redis.port), 0.4).close()
    with socket.create_server(("127.0.0.2", redis.port)), addresses.connect((NAME, redis.port), 0.4) as connected:
        assert connected.getpeername()[0] == "127.0.0.1"


def test_an_address_from_which_nothing_comes_back_takes_its_time_and_no_more() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        where = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0.0)
            each.connect_ex(where)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            Addresses().connect(where, 0.4)
        assert time.monotonic() - begun < 0.6
        for each in waiting:
            each.close()
