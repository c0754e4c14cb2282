"""What befalls a server that two hosts share, each time while mail flows over both."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from rig.lab import Lab
from rig.process import Process, until
from rig.redis import Redis
from rig.sites import Sites
from rig.two_hosts import LASTS, TwoHosts

pytestmark = pytest.mark.long


@dataclass
class Scene:
    """What a fault may lay hands on."""

    sites: Sites
    redis: Redis
    two: TwoHosts


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Sites() as sites, Lab() as lab:
        network, address = sites.new()
        settings = ("protected-mode no", "enable-debug-command yes")
        redis = lab.start(Redis, *settings, network=network, address=address, port=6379)
        with TwoHosts(lab, redis.url, lambda: [redis.path], sites=sites) as two:
            yield Scene(sites, redis, two)


Fault = Callable[[Scene], AbstractContextManager[None]]
"""Begins when it is entered, and ends with it."""


@contextmanager
def stopped(scene: Scene) -> Iterator[None]:
    scene.redis.stop()
    yield
    scene.redis.go_on()


@contextmanager
def emptied_by_a_crash(scene: Scene) -> Iterator[None]:
    scene.redis.kill()
    yield
    scene.redis.restart()


@contextmanager
def set_back_by_a_crash(scene: Scene) -> Iterator[None]:
    scene.redis.ask("SAVE")
    time.sleep(0.5)
    scene.redis.kill()
    yield
    scene.redis.restart()
    scene.redis.dump.unlink()


@contextmanager
def flushed(scene: Scene) -> Iterator[None]:
    scene.redis.ask("FLUSHALL")
    yield


@contextmanager
def made_a_replica(scene: Scene) -> Iterator[None]:
    scene.redis.ask("REPLICAOF", "127.0.0.1", "1")
    yield
    scene.redis.ask("REPLICAOF", "NO", "ONE")


@contextmanager
def out_of_memory(scene: Scene) -> Iterator[None]:
    scene.redis.ask("CONFIG", "SET", "maxmemory", "1")
    yield
    scene.redis.ask("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def unable_to_save(scene: Scene) -> Iterator[None]:
    scene.redis.dump.mkdir()
    scene.redis.ask("CONFIG", "SET", "save", "3600 1")
    scene.redis.ask("BGSAVE")
    until(lambda: "rdb_last_bgsave_status:err" in scene.redis.ask("INFO", "persistence"), "a save that fails")
    yield
    scene.redis.dump.rmdir()
    scene.redis.ask("CONFIG", "SET", "save", "")


@contextmanager
def locked(scene: Scene) -> Iterator[None]:
    scene.redis.ask("CONFIG", "SET", "requirepass", "secret")
    scene.redis.ask("-a", "secret", "--no-auth-warning", "CLIENT", "KILL", "TYPE", "normal")
    yield
    scene.redis.ask("-a", "secret", "--no-auth-warning", "CONFIG", "SET", "requirepass", "")


@contextmanager
def loading(scene: Scene) -> Iterator[None]:
    scene.redis.ask("CONFIG", "SET", "loading-process-events-interval-bytes", "1024")
    scene.redis.ask("CONFIG", "SET", "key-load-delay", str(round(LASTS * 1e6 / int(scene.redis.ask("DBSIZE")))))
    words = ("redis-cli", "-s", str(scene.redis.path), "DEBUG", "RELOAD")
    with Process(*words) as reloading:
        until(lambda: "loading:1" in scene.redis.ask("INFO", "persistence"), "it to load")
        yield
        assert reloading.wait() == 0


@contextmanager
def out_of_reach(scene: Scene) -> Iterator[None]:
    scene.sites.part(scene.redis.address)
    yield
    scene.sites.heal(scene.redis.address)


@contextmanager
def connected_on_one_side_alone(scene: Scene) -> Iterator[None]:
    scene.sites.part(scene.redis.address)
    scene.redis.kill()
    scene.redis.restart()
    yield
    scene.sites.heal(scene.redis.address)


@contextmanager
def out_of_reach_of_one_host(scene: Scene) -> Iterator[None]:
    scene.sites.part(scene.two.addresses[0])
    yield
    scene.sites.heal(scene.two.addresses[0])


FAULTS: tuple[Fault, ...] = (
    stopped,
    emptied_by_a_crash,
    set_back_by_a_crash,
    flushed,
    out_of_memory,
    connected_on_one_side_alone,
    out_of_reach_of_one_host,
)
OTHER_FAULTS: tuple[Fault, ...] = (made_a_replica, unable_to_save, locked, loading, out_of_reach)


@pytest.mark.parametrize(
    "fault",
    [*FAULTS, *(pytest.param(fault, marks=pytest.mark.slow) for fault in OTHER_FAULTS)],
    ids=lambda fault: fault.__name__,
)
def test_no_sender_notices_a_fault_and_all_is_whole_soon_after_it(scene: Scene, fault: Fault) -> None:
    scene.two.endure(fault(scene))


@pytest.mark.slow
def test_no_sender_notices_that_a_host_is_out_of_reach_for_a_minute(scene: Scene) -> None:
    scene.two.endure(out_of_reach_of_one_host(scene), seconds=60.0)
