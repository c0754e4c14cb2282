"""Counters of a server that is too late for a decision to ask it, and answers all the same."""

import time
from collections.abc import Sequence

import pytest

from milter64.limits.settings import Rate, Settings
from milter64.sharing import shared_counters
from milter64.sharing.interface import Command, Reply, ServersGone
from rig.counting_hosts import Host
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import Reached

SESSIONS = Settings(sessions={"ipv4/32": Rate(count=300, seconds=36000.0)})


def late(_servers: Reached, _key: str, _commands: Sequence[Command]) -> list[Reply]:
    raise ServersGone("the server is slow")


@pytest.mark.parametrize("exact", [False, True])
def test_it_hears_of_all_that_it_could_not_be_asked_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, *, exact: bool
) -> None:
    monkeypatch.setattr(shared_counters, "_EVERY", 3600.0)
    monkeypatch.setattr(Reached, "ask", late)
    server = lab.start(Redis)
    hosts = [Host(server.path, SESSIONS, time.monotonic, exact=exact, hosts=3) for _ in range(3)]
    through = 0
    for _ in range(100):
        for host in hosts:
            through += host.sessions("192.31.196.10", 3)
            host.tell()
    assert 300 <= through <= 310
    for host in hosts:
        host.close()
