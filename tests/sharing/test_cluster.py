"""A Redis Cluster: each key goes to the master of its slot, and what goes wrong with one of them is its own matter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.sharing.cluster import slot
from milter64.sharing.interface import Servers, ServersGone
from rig.asker import asked, opened
from rig.process import until
from rig.redis import Redis, RedisCluster

pytestmark = pytest.mark.long

KEYS = {0: "b", 1: "c", 2: "a"}
"""A key of each master's."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path / "cluster", replicas=1) as servers:
        yield servers


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("bare") / "cluster") as servers:
        yield servers


def test_slots_are_those_that_a_server_finds(bare: RedisCluster) -> None:
    keys = ["", "x", "milter64:1:{s}:feed", "{}x", "a{b}c{d}", "{x", "x}{", "{{x}}", "ä{ö}", "a{b}"]
    assert [slot(key) for key in keys] == [int(bare.nodes[0].ask("CLUSTER", "KEYSLOT", key)) for key in keys]


def answers(servers: Servers, key: str) -> bool:
    try:
        servers.ask(key, [("INCR", key)])
    except ServersGone:
        return False
    return True


def test_each_key_goes_to_its_master_and_each_is_for_all_of_them(bare: RedisCluster) -> None:
    with asked(bare.url, *KEYS.values()) as asker:
        assert not asker.servers.together
        assert asker.servers.edition == 3
        sizes = [shard([("DBSIZE",)]).result(5.0) for shard in asker.servers.shards()]
        assert len(sizes) == 3
        for node, key in KEYS.items():
            assert int(bare.nodes[node].ask("GET", key)) > 0
        assert asker.lines == []


def test_a_slot_that_moves_is_followed_and_takes_no_other_along(bare: RedisCluster) -> None:
    source, target = bare.nodes[0], bare.nodes[2]
    with asked(bare.url, *KEYS.values()) as asker:
        for one, other in ((source, target), (target, source)):
            _let_go(one, other)
            assert not answers(asker.servers, KEYS[0])  # it is at the other's, which isn't to tell
            assert answers(asker.servers, "f")
            _settle(one, other)
            asker.whole()
            assert int(other.ask("GET", KEYS[0])) > 0
        asker.had_to_wait(at_most=0)
        assert asker.lines == []


def _let_go(source: Redis, target: Redis) -> None:
    number = str(slot(KEYS[0]))
    target.ask("CLUSTER", "SETSLOT", number, "IMPORTING", source.ask("CLUSTER", "MYID"))
    source.ask("CLUSTER", "SETSLOT", number, "MIGRATING", target.ask("CLUSTER", "MYID"))
    source.ask("MIGRATE", target.address, str(target.port), KEYS[0], "0", "5000")


def _settle(source: Redis, target: Redis) -> None:
    for node in (target, source):
        node.ask("CLUSTER", "SETSLOT", str(slot(KEYS[0])), "NODE", target.ask("CLUSTER", "MYID"))


@pytest.mark.parametrize("fault", ["kill", "stop"])
def test_a_node_that_is_gone_costs_one_half_a_second_and_its_replica_takes_its_place(
    cluster: RedisCluster, fault: str
) -> None:
    lost, replica = cluster.nodes[0], cluster.nodes[3]

    def ended() -> None:
        until(lambda: "role:master" in replica.ask("INFO", "replication"))
        until(lambda: "cluster_state:ok" in cluster.nodes[1].ask("CLUSTER", "INFO"))

    with asked(cluster.url, *KEYS.values()) as asker:
        asker.holds(getattr(lost, fault), ended, "")
        assert int(replica.ask("GET", KEYS[0])) > 0


def test_the_others_answer_while_one_is_gone(tmp_path: Path) -> None:
    with (
        RedisCluster(tmp_path / "cluster", "cluster-require-full-coverage no") as cluster,
        asked(cluster.url, *KEYS.values()) as asker,
    ):
        cluster.nodes[1].kill()
        until(lambda: asker.lines)
        assert f"127.0.0.1:{cluster.nodes[1].port} is gone" in asker.lines[0]
        for _ in range(100):
            assert answers(asker.servers, KEYS[0])
            assert not answers(asker.servers, KEYS[1])
        with pytest.raises(ServersGone):
            asker.servers.shards()
        cluster.nodes[1].restart()
        asker.whole()


def test_where_no_node_answers_it_is_told_once() -> None:
    lines: list[str] = []
    with opened("redis+cluster://127.0.0.1:1,127.0.0.1:2", lines) as servers:
        until(lambda: lines)
        with pytest.raises(ServersGone, match="no node answers: Connection refused"):
            servers.ask("x", [("GET", "x")])
    assert len(lines) == 1
