"""A server of one's own, by unix socket and by TCP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.sharing.interface import Servers, ServersGone
from rig.asker import opened
from rig.process import until
from rig.redis import Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


def answers(servers: Servers) -> bool:
    try:
        return servers.ask("x", [("SET", "x", 1)]) == [b"OK"]
    except ServersGone:
        return False


@pytest.mark.parametrize("way", ["url", "local"])
def test_commands_go_out_together_and_replies_come_back_in_order(redis: Redis, way: str) -> None:
    with opened(getattr(redis, way)) as servers:
        assert servers.together
        until(lambda: servers.edition == 1)
        sent = servers.send("x", [("SET", "x", 1), ("INCR", "x"), ("GET", b"x")])
        assert servers.ask("x", [("INCRBY", "x", 3), ("GET", "x"), ("GET", "y")]) == [5, b"5", None]
        assert sent.result(5.0) == [b"OK", 2, b"2"]
        assert [each.result(5.0) for each in [shard([("DBSIZE",)]) for shard in servers.shards()]] == [
            [2]
        ]  # x, and the probe


def test_what_one_command_is_refused_comes_back_in_its_place(redis: Redis) -> None:
    with opened(redis.local) as servers:
        until(lambda: answers(servers))
        replies = servers.ask("x", [("SET", "x", "a"), ("INCR", "x"), ("GET", "x")])
        assert "not an integer" in str(replies[1])
        assert (replies[0], replies[2]) == (b"OK", b"a")


def test_after_a_restart_there_is_another_edition_and_each_turn_is_told_once(redis: Redis) -> None:
    lines: list[str] = []
    with opened(redis.url, lines) as servers:
        until(lambda: answers(servers))
        redis.kill()
        until(lambda: lines)
        with pytest.raises(ServersGone):
            servers.send("x", [("GET", "x")])
        redis.restart()
        until(lambda: answers(servers), seconds=2.0)
        assert servers.edition == 2
    gone, back = lines
    assert gone.startswith(f"{redis.url} is gone: ")
    assert back == f"{redis.url} is back"
