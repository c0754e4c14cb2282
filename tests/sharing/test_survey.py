"""What the servers say of themselves, asked once."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from milter64.sharing.interface import ServersGone
from milter64.sharing.keys import FORMAT_KEY, MEMBERS
from milter64.sharing.members import Member, dump
from milter64.sharing.server_url import parse
from milter64.sharing.survey import Node, Survey, survey
from rig.lab import Lab
from rig.redis import Redis, RedisCluster, Sentinel

MX1 = Member(
    host="mx1#0001",
    version="0.2",
    at=1795900000.0,
    offset=0.0,
    state="whole",
    lag=0.1,
    rows=1,
    lists=2,
    limits=3,
    waiting=4,
)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis", "maxmemory 100mb", "maxmemory-policy noeviction") as server:
        server.ask("HSET", MEMBERS, MX1.host, dump(MX1))
        server.ask("SET", FORMAT_KEY, "1")
        yield server


def asked(url: str) -> Survey:
    return survey(parse(url))


@pytest.mark.parametrize("way", ["url", "local"])
def test_a_server_says_what_it_is_and_who_shares(redis: Redis, way: str) -> None:
    found = asked(getattr(redis, way))
    (node,) = found.nodes
    assert (node.role, node.trouble, node.user, node.keys) == ("master", "", "default", 2)
    assert node.software == redis.ask("INFO", "server").split("redis_version:")[1].split()[0].join(["Redis ", ""])
    assert node.settings == {
        "maxmemory": "104857600",
        "maxmemory-policy": "noeviction",
        "save": "",
        "appendonly": "no",
        "bind": "127.0.0.1",
        "protected-mode": "yes",
    }
    assert (found.format, found.members) == ("1", [MX1])
    assert abs(found.at - float(redis.ask("TIME").split()[0])) < 60


def test_what_we_may_not_ask_is_left_out(redis: Redis) -> None:
    rights = ["on", ">s3cret", "~milter64:*", "+hgetall", "+get", "+time"]
    redis.ask("ACL", "SETUSER", "milter64", "resetchannels", *rights)
    found = asked(redis.url.replace("//", "//milter64:s3cret@"))
    (node,) = found.nodes
    assert (node.role, node.trouble, node.info, node.settings, node.user, node.keys) == ("unknown", "", {}, {}, "", 0)
    assert node.software == ""
    assert found.members == [MX1]


def test_valkey_is_told_from_the_redis_that_it_says_it_is_too() -> None:
    assert Node(address="", info={"redis_version": "7.2.4", "valkey_version": "8.1.1"}).software == "Valkey 8.1.1"


@pytest.mark.parametrize(
    ("password", "why"),
    [("", "Authentication required"), (":wrong@", "invalid"), ("milter64:wrong@", "invalid")],
)
def test_a_server_that_knows_us_not_says_so(redis: Redis, password: str, why: str) -> None:
    redis.ask("CONFIG", "SET", "requirepass", "s3cret")
    with pytest.raises(ServersGone, match=why):
        asked(redis.url.replace("//", f"//{password}"))


def test_keys_that_are_of_another_kind_are_told(redis: Redis) -> None:
    redis.ask("SET", MEMBERS, "x")
    with pytest.raises(ServersGone, match="WRONGTYPE"):
        asked(redis.url)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+OK\r\n" * 20,
        b":1\r\n" * 20,
        b"*0\r\n" * 20,
        b"$-1\r\n" * 20,
        b"*2\r\n$1\r\nx\r\n*1\r\n:1\r\n" * 20,
        b"-ERR \x1b[31mno\r\n" * 20,
    ],
)
def test_what_is_no_server_of_ours_is_told(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # at the end of the test
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(4096)
                        connection.sendall(answer)

        serving = Thread(target=serve, daemon=True)
        serving.start()
        with pytest.raises(ServersGone) as caught:
            asked(f"redis://127.0.0.1:{listening.getsockname()[1]}")
        assert "\x1b" not in str(caught.value)
        listening.shutdown(socket.SHUT_RDWR)
        serving.join()


# Sentinels


def lone_sentinel(folder: Path, number: int, master: Redis) -> Sentinel:
    """Return one that watches a server by the name "mail"."""
    sentinel = Sentinel(folder, number)
    sentinel.watch(master)
    return sentinel


def test_sentinels_lead_to_the_server(lab: Lab, redis: Redis) -> None:
    one, other = (lab.start(lone_sentinel, number, redis) for number in (1, 2))
    (lab.folder / "password").write_text("s3cret\n")
    found = asked(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{one.port},127.0.0.1:{other.port}/mail")
    assert [(node.address, node.role, node.trouble) for node in found.nodes] == [
        ("127.0.0.1:1", "", "Connection refused"),
        (f"127.0.0.1:{one.port}", "sentinel", ""),
        (f"127.0.0.1:{other.port}", "sentinel", ""),
        (f"127.0.0.1:{redis.port}", "master", ""),
    ]
    assert found.nodes[1].software.startswith("Redis ")
    assert found.members == [MX1]


def test_sentinels_have_a_password_of_their_own(lab: Lab, redis: Redis) -> None:
    redis.ask("CONFIG", "SET", "requirepass", "another")
    sentinel = lab.start(lone_sentinel, 1, redis)
    sentinel.ask("ACL", "SETUSER", "default", "resetpass", ">s3cret")
    (lab.folder / "password").write_text("s3cret\n")
    named = f"redis+sentinel://:another@127.0.0.1:{sentinel.port}/mail"
    assert asked(f"{named}?sentinel_password_file={lab.folder}/password").members == [MX1]
    with pytest.raises(ServersGone, match="Authentication required"):
        asked(named)


def test_sentinels_that_know_no_such_server_say_so(lab: Lab, redis: Redis) -> None:
    sentinel = lab.start(lone_sentinel, 1, redis)
    with pytest.raises(ServersGone, match=f"^127.0.0.1:{sentinel.port}: it knows no other$"):
        asked(f"redis+sentinel://127.0.0.1:{sentinel.port}/other")


# A Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path / "cluster", "cluster-require-full-coverage no") as cluster:
        yield cluster


def put(nodes: list[Redis], *words: str) -> None:
    """Give a command to the node that has the key."""
    assert [answer for answer in (node.ask(*words) for node in nodes) if "MOVED" not in answer]


def test_a_cluster_is_asked_by_node_and_each_key_where_it_is(cluster: RedisCluster) -> None:
    put(cluster.nodes, "HSET", MEMBERS, MX1.host, dump(MX1))
    put(cluster.nodes, "SET", FORMAT_KEY, "1")
    named = ",".join(["127.0.0.1:1", f"127.0.0.1:{cluster.nodes[2].port}"])
    found = asked(f"redis+cluster://{named}")
    assert {node.address for node in found.nodes} == {f"127.0.0.1:{node.port}" for node in cluster.nodes}
    assert [(node.role, node.trouble) for node in found.nodes] == [("master", "")] * 3
    assert sum(node.keys for node in found.nodes) == 2
    assert (found.format, found.members) == ("1", [MX1])


def test_a_node_that_is_gone_is_told_and_the_others_too(cluster: RedisCluster) -> None:
    put(cluster.nodes, "HSET", MEMBERS, MX1.host, dump(MX1))
    keyless = next(
        node for node in cluster.nodes if node.ask("DBSIZE") == "0" and "MOVED" in node.ask("GET", FORMAT_KEY)
    )
    keyless.kill()
    live = next(node for node in cluster.nodes if node is not keyless)
    found = asked(f"redis+cluster://127.0.0.1:{live.port}")
    troubles = {node.address: node.trouble for node in found.nodes}
    assert troubles.pop(f"127.0.0.1:{keyless.port}") == "Connection refused"
    assert set(troubles.values()) == {""}


def test_a_server_that_is_in_no_cluster_says_so(redis: Redis) -> None:
    with pytest.raises(ServersGone, match="cluster support disabled"):
        asked(redis.url.replace("redis:", "redis+cluster:"))
