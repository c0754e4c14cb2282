"""Another server takes the place of one that two hosts share, while mail flows over both."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from rig.lab import Lab
from rig.process import until
from rig.redis import Redis, RedisCluster, Watched
from rig.two_hosts import TwoHosts

pytestmark = pytest.mark.long


@pytest.fixture
def watched(lab: Lab) -> Iterator[Watched]:
    with Watched(lab.folder / "watched") as watched:
        yield watched


def slow(fault: Callable[..., object]) -> Any:  # noqa: ANN401  pytest names no type for it
    return pytest.param(fault, marks=pytest.mark.slow)


def is_master(server: Redis) -> bool:
    return server.alive and "role:master" in server.ask("INFO", "replication")


@contextmanager
def planned(watched: Watched) -> Iterator[None]:
    before = watched.master
    watched.fail_over()
    yield
    until(lambda: watched.master is not before and is_master(watched.master), "another master")


@contextmanager
def killed(watched: Watched) -> Iterator[None]:
    before = watched.master
    before.kill()
    yield
    until(lambda: watched.master is not before and is_master(watched.master), "another master")


@contextmanager
def stopped(watched: Watched) -> Iterator[None]:
    before = watched.master
    before.stop()
    yield
    until(lambda: watched.master is not before and is_master(watched.master), "another master")
    before.go_on()


@pytest.mark.parametrize("fault", [planned, *map(slow, (killed, stopped))], ids=lambda fault: fault.__name__)
def test_no_sender_notices_a_failover_of_sentinels(
    watched: Watched, lab: Lab, fault: Callable[[Watched], AbstractContextManager[None]]
) -> None:
    with TwoHosts(lab, watched.url, lambda: [watched.master.path]) as two:
        two.endure(fault(watched))


@contextmanager
def node_killed(cluster: RedisCluster) -> Iterator[None]:
    cluster.nodes[0].kill()
    yield
    until(lambda: is_master(cluster.nodes[3]), "a replica in its place")


@contextmanager
def node_stopped(cluster: RedisCluster) -> Iterator[None]:
    cluster.nodes[0].stop()
    yield
    cluster.nodes[0].go_on()


@pytest.mark.parametrize("fault", [node_killed, slow(node_stopped)], ids=lambda fault: fault.__name__)
def test_no_sender_notices_that_a_node_of_a_cluster_is_gone(
    lab: Lab, fault: Callable[[RedisCluster], AbstractContextManager[None]]
) -> None:
    with (
        RedisCluster(lab.folder / "cluster", replicas=1) as cluster,
        TwoHosts(lab, cluster.url, lambda: [node.path for node in cluster.nodes if is_master(node)]) as two,
    ):
        two.endure(fault(cluster))
