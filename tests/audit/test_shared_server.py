"""What the audit says of the servers through which hosts share."""

import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest

from milter64 import sharing
from milter64.audit.facts import shared_server
from milter64.audit.report_line import Level, Line
from milter64.config.load_file import parse
from milter64.config.problems import Problem
from milter64.config.settings import Settings
from milter64.sharing.remedies import remedy
from milter64.sharing.survey import Node, Survey
from rig.lab import Lab
from rig.redis import Redis
from rig.scene import Scene, check

INFO = {
    "redis_version": "7.0.15",
    "role": "master",
    "aof_enabled": "0",
    "maxmemory": "0",
    "maxmemory_policy": "noeviction",
    "used_memory": "1000000",
}
GONE = Problem(what="Connection refused", remedy=remedy("Connection refused"))
SETTINGS = {"save": "", "bind": "127.0.0.1 -::1", "protected-mode": "yes"}
NODE = Node(address="127.0.0.1:6379", role="master", info=INFO, settings=SETTINGS, user="default")


def scene(url: str, *nodes: Node) -> Scene:
    servers = Survey(nodes=nodes, format="1", at=0.0, members=[])
    return Scene(settings=f'[greylist]\nstore = "{url}"\n', servers=servers)


def of(node: Node, *, info: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None) -> Node:
    return replace(node, info={**node.info, **(info or {})}, settings={**node.settings, **(settings or {})})


def test_a_host_that_shares_nothing_hears_nothing_of_it() -> None:
    assert Scene().lines("sharing") == []


def test_a_server_on_this_host_is_well() -> None:
    lines = scene("redis://127.0.0.1", NODE).lines("sharing")
    assert {line.level for line in lines} == {Level.OK}
    check(lines, "ok", "shared store 127.0.0.1:6379", "on this host", "")
    check(lines, "ok", "shared store 127.0.0.1:6379, restarted", "is filled again by the hosts", "")


def test_a_server_that_does_not_tell_what_it_saves_is_not_said_to_come_back_empty() -> None:
    lines = scene("redis://127.0.0.1", replace(NODE, settings={})).lines("sharing")
    check(lines, "ok", "shared store 127.0.0.1:6379, restarted", "may come back empty, as it doesn't tell", "")


def test_a_server_that_keeps_its_rows_is_said_to() -> None:
    for node in (of(NODE, info={"aof_enabled": "1"}), of(NODE, settings={"save": "3600 1"})):
        lines = scene("redis://127.0.0.1", node).lines("sharing")
        check(lines, "ok", "shared store 127.0.0.1:6379, restarted", "keeps its rows", "")


@pytest.mark.parametrize(
    ("url", "user", "level", "reason", "remedy"),
    [
        ("redis://192.0.2.9", "default", "problem", "without a password", "ACL SETUSER milter64"),
        ("rediss://192.0.2.9", "default", "problem", "without a password", "ACL SETUSER milter64"),
        ("redis://milter64:x@192.0.2.9", "milter64", "problem", "in plain", '"rediss"'),
        ("redis://milter64:x@redis.example.org", "milter64", "problem", "in plain", '"rediss"'),
        ("redis://milter64:x@10.0.0.9", "milter64", "warning", "in plain", '"rediss"'),
        ("redis://milter64:x@[fd00::9]", "milter64", "warning", "in plain", '"rediss"'),
        ("rediss://:x@192.0.2.9", "default", "warning", "may do everything", "ACL SETUSER milter64"),
        ("rediss://milter64:x@192.0.2.9", "milter64", "ok", "with TLS", ""),
        ("redis://[::1]", "default", "ok", "on this host", ""),
        ("redis://localhost", "default", "ok", "on this host", ""),
        ("unix:///run/redis.sock", "default", "ok", "on this host", ""),
    ],
)
def test_who_can_reach_a_server(url: str, user: str, *, level: str, reason: str, remedy: str) -> None:
    address = url.rpartition("@")[2].rpartition("//")[2] + ":6379" if "unix" not in url else "/run/redis.sock"
    lines = scene(url, replace(NODE, address=address, user=user)).lines("sharing")
    check(lines, level, f"shared store {address}", reason, remedy)


@pytest.mark.parametrize(("bind", "level"), [("0.0.0.0", "problem"), ("* -::*", "problem"), ("127.0.0.1 -::1", "ok")])
def test_a_server_of_this_host_that_listens_for_others_without_a_password(bind: str, level: str) -> None:
    node = of(NODE, settings={"protected-mode": "no", "bind": bind})
    remedy = "CONFIG SET protected-mode yes" if level == "problem" else ""
    check(scene("redis://127.0.0.1", node).lines("sharing"), level, "shared store 127.0.0.1:6379", "", remedy)
    assert scene("redis://:x@127.0.0.1", node).lines("sharing")[0].level is Level.OK


@pytest.mark.parametrize(
    ("info", "level", "reason"),
    [
        ({"maxmemory": "100", "maxmemory_policy": "allkeys-lru"}, "problem", "allkeys-lru throws out"),
        ({"maxmemory_policy": "volatile-ttl"}, "warning", "once there is a maxmemory"),
        ({"maxmemory": "1000000", "used_memory": "810000"}, "warning", "81% of maxmemory is used"),
        ({"maxmemory": "1000000", "used_memory": "790000"}, "ok", "noeviction, maxmemory 1000000"),
        ({}, "ok", "noeviction, maxmemory is not set"),
    ],
)
def test_what_a_server_does_when_it_is_full(info: dict[str, str], level: str, reason: str) -> None:
    lines = scene("redis://127.0.0.1", of(NODE, info=info)).lines("sharing")
    check(lines, level, "shared store 127.0.0.1:6379, memory", reason, "CONFIG SET maxmemory" if level != "ok" else "")


@pytest.mark.parametrize(
    ("info", "level", "reason"),
    [
        ({"redis_version": "5.0.14"}, "warning", "Redis 5.0.14 is too old"),
        ({"redis_version": "6.0.16"}, "ok", "Redis 6.0.16"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.1"}, "ok", "Valkey 8.1.1"),
    ],
)
def test_which_versions_will_do(info: dict[str, str], level: str, reason: str) -> None:
    lines = scene("redis://127.0.0.1", of(NODE, info=info)).lines("sharing")
    check(lines, level, "shared store 127.0.0.1:6379, version", reason, "")


def test_a_server_that_says_little_is_judged_by_little() -> None:
    lines = scene("redis://127.0.0.1", Node(address="127.0.0.1:6379", role="unknown")).lines("sharing")
    assert [line.subject for line in lines] == ["shared store 127.0.0.1:6379"]


def test_servers_that_cannot_be_asked() -> None:
    nodes = (Node(address="10.0.0.1:26379", role="sentinel"), Node(address="10.0.0.2:26379", trouble="no answer"))
    check(
        scene("redis://127.0.0.1", *nodes).lines("sharing"), "warning", "shared store 10.0.0.2:26379", "no answer", ""
    )
    alone = Scene(settings='[greylist]\nstore = "redis://:s3cret@127.0.0.1"\n', no_servers=GONE)
    (line,) = alone.lines("sharing")
    assert line.level is Level.PROBLEM
    assert "redis://:***@127.0.0.1:6379 can't be asked" in line.reason
    assert "Connection refused" in line.reason
    assert line.remedy == GONE.remedy


# A real server


def settings(text: str) -> Settings:
    found, problems = parse(text)
    assert not problems
    return found


def judged(redis: Redis) -> list[Line]:
    text = f'[greylist]\nstore = "{redis.url}"\n'
    servers, trouble = shared_server.look(settings(text))
    return Scene(settings=text, servers=servers, no_servers=trouble).lines("sharing")


@pytest.mark.parametrize(
    "lines",
    [
        ["maxmemory 100mb", "maxmemory-policy allkeys-lru"],
        ["maxmemory-policy volatile-lru"],
        ["maxmemory 600000"],
        ["protected-mode no", "bind 0.0.0.0"],
    ],
)
def test_what_is_pasted_mends_it(lab: Lab, lines: list[str]) -> None:
    redis = lab.start(Redis, *lines)
    (bad,) = [line for line in judged(redis) if line.level is not Level.OK]
    for command in bad.remedy.partition(", on its host")[0].split(" && "):
        redis.ask(*command.split()[1:])
    assert {line.level for line in judged(redis)} == {Level.OK}


def test_a_host_without_a_shared_store_asks_nobody() -> None:
    assert shared_server.look(Settings()) == (None, None)


def test_a_server_that_is_not_there_is_no_fault_of_ours() -> None:
    assert shared_server.look(settings('[greylist]\nstore = "redis://127.0.0.1:1"\n')) == (None, GONE)


def test_a_library_that_is_not_there_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    for name in [name for name in sys.modules if name.startswith("milter64.sharing.")]:
        monkeypatch.setattr(sharing, name.rpartition(".")[2], sys.modules[name])  # which is what it is again afterwards
        monkeypatch.delitem(sys.modules, name)
    _, why = shared_server.look(settings('[greylist]\nstore = "redis://127.0.0.1:1"\n'))
    assert why
    assert why.what.startswith("redis-py can't be used: ")
    assert why.remedy == "run `apt install python3-redis`"
