"""What a host's worker with the role does: it hears, reads on, and says how the host stands."""

from time import time

import pytest

from milter64.sharing.keys import FEED, LOADED, MEMBERS, digest
from milter64.sharing.members import Member, dump
from milter64.store.memory_store import MemoryStore
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import KIND, NETWORK, PASSED, Host, begun, full, pair, turns


@pytest.fixture
def redis(lab: Lab) -> Redis:
    return lab.start(Redis)


def test_a_host_that_begins_has_what_others_know_and_they_have_what_it_knows(redis: Redis) -> None:
    one = begun(redis, "mx1", own=full(300))
    other = begun(redis, "mx2")
    other.store.merge(pair(1000), {NETWORK: PASSED})
    turns(other, one)
    for host in (one, other):
        assert {n for n in range(1001) if host.store.read(pair(n)) == {NETWORK: PASSED}} == {*range(300), 1000}
        assert host.state.whole
    assert {host.state.hosts for host in (one, other)} == {2}


def test_a_host_whose_clock_is_ahead_takes_what_there_is_by_the_clock_of_the_server(redis: Redis) -> None:
    one = begun(redis, "mx1", own=full(1))
    ahead = Host("mx2", redis.path, lambda: time() + 290.0)
    turns(ahead)
    (row,), (there,) = one.store.read(pair(0)).values(), ahead.store.read(pair(0)).values()
    assert there.first_seen == pytest.approx(row.first_seen + 290.0, abs=1.0)


def test_what_others_learn_comes_by_the_feed_and_nothing_is_compared_for_it(redis: Redis) -> None:
    one, other = begun(redis, "mx1"), begun(redis, "mx2")
    one.store.merge(pair(1), {NETWORK: PASSED})
    turns(one)
    other.servers.asked.clear()
    turns(other)
    assert other.own.read(pair(1)) == {NETWORK: PASSED}
    assert "SCAN" not in other.servers.asked
    turns(one)
    assert (one.follower.received, other.follower.received) == (0, 1)


def test_a_host_that_has_all_is_told_nothing_again(redis: Redis) -> None:
    store = full(100)
    begun(redis, own=store)
    before = int(redis.ask("XLEN", FEED))
    host = begun(redis, own=store)
    assert int(redis.ask("XLEN", FEED)) == before
    assert host.own.read(f"{LOADED}{digest(pair(1))}") == {}


def test_a_host_that_gets_everything_sends_none_of_it_back(redis: Redis) -> None:
    begun(redis, "mx1", own=full(300))
    redis.ask("DEL", FEED)
    host = begun(redis, "mx2")
    assert all(host.store.read(pair(n)) == {NETWORK: PASSED} for n in range(300))
    assert host.store.outbox.total == 0


def test_a_worker_that_takes_over_goes_on_where_the_one_before_was(redis: Redis) -> None:
    host, other = begun(redis), begun(redis, "mx2")
    host.state.ends(0, waiting=0)
    host.state.leave_role()
    host.start()
    host.servers.asked.clear()
    other.store.merge(pair(1), {NETWORK: PASSED})
    turns(other, host)
    assert host.own.read(pair(1)) == {NETWORK: PASSED}
    assert "SCAN" not in host.servers.asked


def test_a_host_with_too_little_room_asks(redis: Redis) -> None:
    begun(redis, "mx1", own=full(300))
    small = begun(redis, "mx2", own=MemoryStore(KIND, max_rows=100))
    assert not small.state.whole
    assert all(small.store.read(pair(n)) == {NETWORK: PASSED} for n in range(300))


def test_a_host_that_was_not_heard_of_for_a_day_is_forgotten(redis: Redis) -> None:
    gone = Member(
        host="mx9",
        version="1",
        at=time() - 86500,
        offset=0.0,
        state="whole",
        lag=0.0,
        rows=0,
        lists=0,
        limits=0,
        waiting=0,
    )
    redis.ask("HSET", MEMBERS, "mx9", dump(gone))
    host = begun(redis)
    assert host.state.hosts == 1
    assert redis.ask("HKEYS", MEMBERS) == "mx1"


def test_it_says_of_itself_how_it_stands(redis: Redis) -> None:
    host = begun(redis)
    assert [(member.host, member.state) for member in host.role.members] == [("mx1", "whole")]


def test_it_tells_who_shares_when_that_has_changed(redis: Redis) -> None:
    host = begun(redis)
    turns(begun(redis, "mx2"), host)
    assert host.met == [["mx1"], ["mx1", "mx2"]]
