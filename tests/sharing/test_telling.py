"""Rows that somebody tells all hosts of who is no worker, over a real server."""

from collections.abc import Callable
from time import time

import pytest

from milter64.greylist.row import Record, forget
from milter64.sharing import row_texts
from milter64.sharing.interface import ServersGone
from milter64.sharing.keys import FORMAT_KEY, LOADED, MEMBERS, digest, rows_of
from milter64.sharing.replies import MayNotShare
from milter64.sharing.server_url import parse
from milter64.sharing.telling import Telling
from milter64.store.memory_store import MemoryStore
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import KIND, NETWORK, PASSED, Host, begun, pair, turns


@pytest.fixture
def redis(lab: Lab) -> Redis:
    return lab.start(Redis)


def tell(
    redis: Redis, host: str, *entries: tuple[str, dict[str, Record]], now: Callable[[], float] = time
) -> list[str]:
    """Tell of rows in a host's name, and return what the server doesn't take."""
    with Telling(parse(redis.local), host, KIND, now) as telling:
        telling.tell(entries)
        return telling.troubles


def test_other_hosts_hear_of_it_and_the_own_workers_do_not(redis: Redis) -> None:
    one, other = begun(redis, "mx1"), begun(redis, "mx2")
    assert tell(redis, "mx1", (pair(1), {NETWORK: PASSED})) == []
    turns(one, other)
    assert other.store.read(pair(1)) == {NETWORK: PASSED}
    assert one.own.read(pair(1)) == {}


def test_a_host_that_comes_later_has_it_from_the_servers(redis: Redis) -> None:
    own = MemoryStore(KIND)
    own.merge(pair(1), {NETWORK: PASSED})
    begun(redis, "mx1", own=own)
    tell(redis, "mx1", (pair(1), {NETWORK: forget(PASSED, time())}))
    assert begun(redis, "mx3").store.read(pair(1))[NETWORK].forgotten


def test_what_was_forgotten_by_its_digest_is_forgotten_by_those_who_know_the_pair(redis: Redis) -> None:
    one, other = begun(redis, "mx1"), begun(redis, "mx2")
    other.store.merge(pair(1), {NETWORK: PASSED})
    turns(other, one)
    tell(redis, "mx1", (f"{LOADED}{digest(pair(1))}", {NETWORK: forget(PASSED, time())}))
    turns(other, one)
    assert other.store.read(pair(1))[NETWORK].forgotten


@pytest.mark.parametrize("ahead", [0.0, 200.0])
def test_its_rows_are_written_as_the_hosts_own_workers_would(redis: Redis, ahead: float) -> None:
    host = Host("mx1", redis.path, lambda: time() + ahead)
    turns(host)
    tell(redis, "mx1", (pair(1), {NETWORK: PASSED}), now=lambda: time() + ahead)
    text = redis.ask("HGET", rows_of(pair(1)), NETWORK)
    assert text == row_texts.dump(PASSED, host.state.offset)
    assert redis.ask("HLEN", MEMBERS) == "1"


def test_who_may_not_share_tells_nobody(redis: Redis) -> None:
    begun(redis, "mx1")
    with pytest.raises(MayNotShare, match=r"are 1\d{3} s apart: have them set by NTP"):
        tell(redis, "mx1", (pair(1), {NETWORK: PASSED}), now=lambda: time() + 1000)
    redis.ask("SET", FORMAT_KEY, "2")
    with pytest.raises(MayNotShare, match="shares by format 1"):
        tell(redis, "mx1", (pair(1), {NETWORK: PASSED}))
    assert redis.ask("EXISTS", rows_of(pair(1))) == "0"


def test_where_nobody_can_be_told_it_is_said_with_the_reason(redis: Redis) -> None:
    with Telling(parse(redis.local), "mx1", KIND, time) as telling:
        redis.stop()
        with pytest.raises(ServersGone):
            telling.tell([(pair(1), {NETWORK: PASSED})])
    with pytest.raises(ServersGone, match="is gone: "):
        tell(redis, "mx1")


def test_what_the_server_does_not_take_is_told_of(redis: Redis) -> None:
    redis.ask("SET", rows_of(pair(1)), "another program's")
    [trouble] = tell(redis, "mx1", (pair(1), {NETWORK: PASSED}), (pair(2), {NETWORK: PASSED}))
    assert "is none of ours" in trouble
    assert redis.ask("HLEN", rows_of(pair(2))) == "1"
