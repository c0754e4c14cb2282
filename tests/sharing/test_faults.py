"""What goes wrong with a server costs one who asks half a second, once; it is over when the fault is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from rig.asker import asked
from rig.between import Between, Way
from rig.network import HERE
from rig.process import until
from rig.redis import Redis


@contextmanager
def stopped(redis: Redis) -> Iterator[None]:
    redis.stop()
    yield
    redis.go_on()


@contextmanager
def killed(redis: Redis) -> Iterator[None]:
    redis.kill()
    yield
    redis.restart()


@contextmanager
def replica(redis: Redis) -> Iterator[None]:
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    yield
    redis.ask("REPLICAOF", "NO", "ONE")


@contextmanager
def writable_replica(redis: Redis) -> Iterator[None]:
    redis.ask("CONFIG", "SET", "replica-read-only", "no")
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    yield
    redis.ask("REPLICAOF", "NO", "ONE")


@contextmanager
def out_of_memory(redis: Redis) -> Iterator[None]:
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    yield
    redis.ask("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def not_saving(redis: Redis) -> Iterator[None]:
    in_its_place = redis.path.with_name("dump.rdb")
    (in_its_place / "file").mkdir(parents=True)
    redis.ask("CONFIG", "SET", "save", "3600 100000")
    redis.ask("BGSAVE")
    until(lambda: "rdb_last_bgsave_status:err" in redis.ask("INFO", "persistence"))
    yield
    redis.ask("CONFIG", "SET", "save", "")


@contextmanager
def password_set(redis: Redis) -> Iterator[None]:
    redis.ask("CONFIG", "SET", "requirepass", "secret")
    redis.ask("-a", "secret", "--no-auth-warning", "CLIENT", "KILL", "TYPE", "normal")
    yield
    redis.ask("-a", "secret", "--no-auth-warning", "CONFIG", "SET", "requirepass", "")


@contextmanager
def loading(redis: Redis) -> Iterator[None]:
    redis.ask("DEBUG", "POPULATE", "1500")
    redis.ask("CONFIG", "SET", "key-load-delay", "1500")
    with _runs("redis-cli", "-s", str(redis.path), "DEBUG", "RELOAD"):
        yield


@contextmanager
def busy(redis: Redis) -> Iterator[None]:
    with _runs("redis-cli", "-s", str(redis.path), "EVAL", "while true do end", "0"):
        yield
        until(lambda: redis.ask("SCRIPT", "KILL") == "OK")


@contextmanager
def _runs(*words: str) -> Iterator[None]:
    thread = Thread(target=lambda: HERE.run(*words))
    thread.start()
    yield
    thread.join()


OF_THE_SERVER: Mapping[Callable[[Redis], AbstractContextManager[None]], str] = {
    stopped: "no answer in time",
    killed: "closed the connection|reset|Broken pipe",
    replica: "READONLY",
    writable_replica: "READONLY",
    out_of_memory: "OOM",
    not_saving: "MISCONF",
    password_set: "closed the connection|reset|Broken pipe",
    loading: "LOADING|no answer in time",
    busy: "BUSY|no answer in time",
}
OF_THE_WAY: Mapping[Way, str] = {
    "hold": "no answer in time",
    "reset": "closed the connection|reset|Broken pipe",
    "end": "closed the connection|reset|Broken pipe",
    "garbage": "",
    "dribble": "no answer in time",
    "more": "answers what nobody asked",
}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    settings = ("enable-debug-command yes", "loading-process-events-interval-bytes 1024", "busy-reply-threshold 200")
    with Redis(tmp_path / "redis", *settings) as server:
        yield server


@pytest.mark.parametrize("fault", OF_THE_SERVER, ids=lambda fault: fault.__name__)
def test_a_fault_of_the_server_costs_one_half_a_second_once(
    redis: Redis, fault: Callable[[Redis], AbstractContextManager[None]]
) -> None:
    with asked(redis.url) as asker, ExitStack() as stack:
        asker.holds(lambda: stack.enter_context(fault(redis)), stack.close, OF_THE_SERVER[fault])


@pytest.mark.parametrize("way", OF_THE_WAY)
def test_a_fault_of_the_way_to_it_costs_one_half_a_second_once(redis: Redis, way: Way) -> None:
    with Between(redis.port) as between, asked(f"redis://127.0.0.1:{between.port}") as asker:
        asker.holds(lambda: between.goes(way), lambda: between.goes("pass"), OF_THE_WAY[way])


def test_a_server_that_is_late_is_asked_once_and_then_not_until_a_probe_is_quick(redis: Redis) -> None:
    with Between(redis.port) as between, asked(f"redis://127.0.0.1:{between.port}") as asker:
        between.goes("late")
        until(lambda: asker.refused > 100)
        between.goes("pass")
        asker.whole()
        asker.had_to_wait(at_most=0)
        assert asker.lines == []


def test_a_server_that_is_late_each_second_time_costs_no_more_than_one_that_always_is(redis: Redis) -> None:
    with Between(redis.port) as between, asked(f"redis://127.0.0.1:{between.port}") as asker:
        between.goes("limp")
        until(lambda: asker.refused > 300)
        between.goes("pass")
        asker.whole()
        asker.had_to_wait(at_most=2, seconds=0.08)
