"""Why a host may not share: what it says, and what it leaves alone."""

from time import time

import pytest

from milter64.greylist.row import Record
from milter64.sharing.keys import EPOCH, FEED, FORMAT_KEY, MEMBERS, rows_of
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import NETWORK, PASSED, Host, begun, full, pair, turns


@pytest.fixture
def redis(lab: Lab) -> Redis:
    return lab.start(Redis)


def test_another_format_is_refused_and_left_alone(redis: Redis) -> None:
    redis.ask("SET", FORMAT_KEY, "2")
    host = begun(redis, own=full(1))
    assert len(host.told) == 1
    assert "format 1" in host.told[0]
    assert "greylist.store" in host.told[0]
    assert not host.state.allowed
    assert redis.ask("KEYS", "*") == FORMAT_KEY
    redis.ask("SET", FORMAT_KEY, "1")
    turns(host)
    assert host.told[-1] == ""
    assert redis.ask("HLEN", rows_of(pair(0))) == "1"


@pytest.mark.parametrize("key", ["milter64:queue", "milter64:2:r:x"])
def test_another_programs_key_under_our_prefix_is_named_and_left_alone(redis: Redis, key: str) -> None:
    redis.ask("SET", key, "theirs")
    host = begun(redis, own=full(1))
    assert [key in told for told in host.told] == [True]
    assert redis.ask("KEYS", "*") == key
    redis.ask("DEL", key)
    turns(host)
    assert redis.ask("HLEN", rows_of(pair(0))) == "1"


@pytest.mark.parametrize("key", [MEMBERS, FEED, EPOCH])
def test_a_key_of_ours_that_is_something_else_is_told_of(redis: Redis, key: str) -> None:
    redis.ask("SADD", key, "theirs")
    host = begun(redis, own=full(1))
    assert len(host.told) == 1
    assert "the server refuses" in host.told[0]
    assert redis.ask("TYPE", key) == "set"


def test_a_pair_of_ours_that_is_something_else_costs_no_other(redis: Redis) -> None:
    redis.ask("SET", rows_of(pair(3)), "theirs")
    host = begun(redis)
    for n in range(10):
        host.store.merge(pair(n), {NETWORK: PASSED})
    turns(host)
    assert [n for n in range(10) if redis.ask("TYPE", rows_of(pair(n))) == "hash"] == [0, 1, 2, *range(4, 10)]
    assert [rows_of(pair(3)) in lost for lost in host.lost] == [True]


@pytest.mark.parametrize("ahead", [-400.0, 400.0])
def test_a_host_whose_clock_is_far_off_may_not_share(redis: Redis, ahead: float) -> None:
    begun(redis, "mx2"), begun(redis, "mx3")
    host = Host("mx1", redis.path, lambda: time() + ahead, own=full(1))
    turns(host)
    assert len(host.told) == 1
    assert f"the clock of this host is 400 s {'ahead of' if ahead > 0 else 'behind'} that of the server" in host.told[0]
    assert redis.ask("EXISTS", rows_of(pair(0))) == "0"


@pytest.mark.parametrize("ahead", [-290.0, 290.0])
def test_rows_count_from_when_they_were_first_seen_whatever_a_clock_says(redis: Redis, ahead: float) -> None:
    def now() -> float:
        return time() + ahead

    one, other = begun(redis, "mx1"), Host("mx2", redis.path, now)
    turns(other)
    one.store.merge(pair(1), {NETWORK: Record(generation=0, first_seen=time())})
    turns(one, other)
    (row,) = other.store.read(pair(1)).values()
    assert abs(now() - row.first_seen) < 5
