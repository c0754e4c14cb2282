"""Counters where the server has too many keys."""

import time

import pytest

from milter64.limits.settings import Rate, Settings
from milter64.sharing import shared_counters
from rig.counting_hosts import Host
from rig.lab import Lab
from rig.redis import Redis

SESSIONS = Settings(sessions={"ipv4/32": Rate(count=10, seconds=3600.0)})


@pytest.mark.parametrize("exact", [False, True])
def test_where_the_server_has_no_room_each_host_counts_alone(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, *, exact: bool
) -> None:
    monkeypatch.setattr(shared_counters, "_EVERY", 3600.0)
    server = lab.start(Redis)
    host = Host(server.path, SESSIONS, time.monotonic, exact=exact, hosts=2)
    host.state.lacks_room(lacks=True)
    assert host.sessions("192.31.196.10", 20) == 10
    host.tell()
    host.close()
    assert not server.ask("KEYS", "*:c:*")
