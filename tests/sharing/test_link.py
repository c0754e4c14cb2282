"""A link to one server: what waits for it, who waits for it, and what it tells."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from milter64.sharing.interface import Servers, ServersGone
from milter64.sharing.server_url import parse
from rig.asker import asked, opened
from rig.between import Between, Way
from rig.process import until
from rig.redis import Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


def seconds_of_ask(servers: Servers) -> float:
    begun = time.monotonic()
    with pytest.raises(ServersGone):
        servers.ask("x", [("GET", "x")])
    return time.monotonic() - begun


def test_of_many_who_ask_at_once_one_waits_to_see_how_slow_a_server_is(redis: Redis) -> None:
    with asked(redis.local) as asker, ThreadPoolExecutor(20) as threads:
        redis.stop()
        waits = sorted(threads.map(lambda _: seconds_of_ask(asker.servers), range(20)))
        redis.go_on()
    assert waits[-2] < 0.3
    assert waits[-1] < 0.6
    asker.had_to_wait(at_most=1)


def test_commands_that_wait_are_bounded_and_their_futures_fail_when_the_line_breaks(redis: Redis) -> None:
    with opened(redis.local) as servers:
        until(lambda: servers.edition)
        redis.stop()
        sent = [servers.send("x", [("GET", "x")] * 500) for _ in range(40)]
        with pytest.raises(ServersGone, match="too much waits"):
            servers.send("x", [("GET", "x")] * 1000)  # 500 may be on their way
        for future in sent:
            with pytest.raises(ServersGone):
                future.result(5.0)
        redis.go_on()
        until(lambda: servers.edition == 2)
        assert servers.send("x", [("GET", "x")] * 1000).result(5.0) == [None] * 1000


def test_octets_that_wait_are_bounded(redis: Redis) -> None:
    with opened(redis.local) as servers:
        until(lambda: servers.edition)
        redis.stop()
        for _ in range(8):
            servers.send("x", [("SET", "x", bytes(1 << 20))])
        with pytest.raises(ServersGone, match="too much waits"):
            servers.send("x", [("SET", "x", bytes(9 << 20))])
        redis.go_on()


def test_much_at_once_arrives_in_order(redis: Redis) -> None:
    with opened(redis.url) as servers:
        until(lambda: servers.edition)
        sent = [servers.send("x", [("RPUSH", "x", f"{number}"), ("SET", "y", bytes(3000))]) for number in range(2000)]
        assert [future.result(20.0) for future in sent] == [[number, b"OK"] for number in range(1, 2001)]
        assert servers.edition == 1


def test_what_is_no_command_is_the_callers_fault_and_nobody_elses(redis: Redis) -> None:
    with opened(redis.local) as servers:
        until(lambda: servers.edition)
        with pytest.raises(UnicodeEncodeError):
            servers.send("x", [("SET", "x", "\ud800")])
        assert servers.send("x", [("GET", "x")]).result(5.0) == [None]


@pytest.mark.parametrize(
    ("acl", "before", "why"),
    [
        ([], ":wrong@", "AUTH <password> called without any password configured"),
        (["ACL", "SETUSER", "default", "resetpass", ">right"], ":wrong@", "invalid username-password pair"),
        (["ACL", "SETUSER", "default", "resetpass", ">right"], "", "Authentication required"),
        (["ACL", "SETUSER", "milter", "on", ">wrong", "+@all", "~other:*"], "milter:wrong@", "NOPERM"),
        (["ACL", "SETUSER", "milter", "on", ">wrong", "+@all", "~milter64:*"], "milter:wrong@", ""),
        (
            ["ACL", "SETUSER", "milter", "on", ">wrong", "+@write", "+hello", "+echo", "~milter64:*"],
            "milter:wrong@",
            "",
        ),
    ],
)
def test_what_a_server_has_against_us_is_told_without_the_password(
    redis: Redis, acl: list[str], before: str, why: str
) -> None:
    if acl:
        redis.ask(*acl)
    lines: list[str] = []
    with opened(redis.url.replace("//", f"//{before}"), lines) as servers:
        until(lambda: lines or servers.edition)
        assert "wrong" not in f"{lines}{servers!r}"
        assert [line for line in lines if why not in line] == []
        assert bool(lines) == bool(why)


def test_a_password_file_is_read_anew_for_each_connection(redis: Redis, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    redis.ask("CONFIG", "SET", "requirepass", "old")
    with asked(f"{redis.url}?password_file={secret}") as asker:
        redis.ask("-a", "old", "--no-auth-warning", "CONFIG", "SET", "requirepass", "new")
        asker.whole()  # it stays open
        assert asker.lines == []
        secret.write_text("new\n")
        redis.ask("-a", "new", "--no-auth-warning", "CLIENT", "KILL", "TYPE", "normal")
        until(lambda: asker.servers.edition == 2)
        asker.whole()


def test_a_db_is_the_urls(redis: Redis) -> None:
    with opened(f"{redis.url}/3") as servers:
        until(lambda: servers.edition)
        servers.send("x", [("SET", "x", 1)]).result(5.0)
    assert redis.ask("-n", "3", "GET", "x") == "1"


@pytest.mark.parametrize("way", ["pass", "hold"])
def test_close_takes_no_time_and_fails_what_waits(redis: Redis, way: Way) -> None:
    with Between(redis.port) as between, opened(f"redis://127.0.0.1:{between.port}") as servers:
        until(lambda: servers.edition)
        between.goes(way)
        sent = servers.send("x", [("GET", "x")])
        begun = time.monotonic()
        servers.close()
        assert time.monotonic() - begun < 0.1
        if way == "hold":
            with pytest.raises(ServersGone, match="closed"):
                sent.result(0.4)


def test_a_url_is_shown_in_what_is_told_without_its_password() -> None:
    lines: list[str] = []
    with opened(parse("redis://me:secret@127.0.0.1:1"), lines):
        until(lambda: lines)
    assert lines == ["redis://me:***@127.0.0.1:1 is gone: Connection refused"]
