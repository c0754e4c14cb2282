"""Three hosts that count together by one real server: how much they let through, and what becomes of its faults."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from math import floor
from pathlib import Path

import pytest

from milter64.limits.rates import Rate, Settings
from milter64.sharing import counter_script, shared_counters
from rig.counting_hosts import Host, Time, standing_script
from rig.redis import Redis
from rig.sharing import Reached

HOUR = 3600.0
CLIENT, TRANSLATED = "192.31.196.10", "64:ff9b::c01f:c40a"
Attempts = Callable[[random.Random, int], list[int]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch, server: Redis) -> Iterator[Time]:
    """Time that stands for everybody until a test puts it forward; nothing is told meanwhile either."""
    monkeypatch.setattr(counter_script, "SCRIPT", standing_script())
    monkeypatch.setattr(shared_counters, "_EVERY", HOUR)
    with closing(Reached(server.path)) as servers:
        yield Time(servers)


def sessions(count: int, **more: int) -> Settings:
    levels = {"ipv4/32": count, **{level.replace("_", "/"): number for level, number in more.items()}}
    return Settings(sessions={level: Rate(count=number, seconds=HOUR) for level, number in levels.items()})


def even(_chance: random.Random, step: int) -> list[int]:
    """Each host in its turn."""
    return [step % 3]


def uneven(chance: random.Random, _step: int) -> list[int]:
    """One gets nearly all."""
    return chance.choices(range(3), weights=[20, 3, 1])


def one_by_one(_chance: random.Random, step: int) -> list[int]:
    """The next one when the one before has been tried for long."""
    return [min(step // 1500, 2)]


def all_at_once(_chance: random.Random, _step: int) -> list[int]:
    return [0, 1, 2]


def one_seldom(_chance: random.Random, step: int) -> list[int]:
    """The third only when it has half forgotten."""
    return [0, 1, *([2] * 40 if step % 2000 > 1960 else [])]


@pytest.mark.parametrize("exact", [False, True], ids=["told", "asked"])
@pytest.mark.parametrize("count", [10, 60, 300])
@pytest.mark.parametrize("attempts", [even, uneven, one_by_one, all_at_once, one_seldom])
@pytest.mark.parametrize("pause", [0.0, 0.25, 3.0], ids=["burst", "quick", "slow"])
def test_three_hosts_let_through_what_one_would(
    server: Redis, standing: Time, attempts: Attempts, count: int, pause: float, *, exact: bool
) -> None:
    chance = random.Random(1)
    hosts = [Host(server.path, sessions(count), standing, exact=exact) for _ in range(3)]
    through = 0
    for step in range(4000):
        through += sum(hosts[host].sessions(CLIENT) for host in attempts(chance, step))
        standing.pass_by(pause)
        if pause:
            for host in hosts:
                host.tell()
    allowed = count + floor(standing.passed / HOUR * count)
    assert allowed * (0.99 if exact else 0.9) <= through <= allowed * (1.0 if exact else 1.1)
    for host in hosts:
        host.close()
