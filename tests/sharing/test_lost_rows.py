"""What hosts and servers may lose, and how all have it again."""

from math import inf
from time import time

import pytest

from milter64.greylist.row import Record
from milter64.sharing import feed, outbox
from milter64.sharing.feed import packed
from milter64.sharing.keys import FEED, LOADED, digest, rows_of
from milter64.store.memory_store import MemoryStore
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import KIND, NETWORK, NOW, PASSED, Host, begun, full, pair, turns

pytestmark = pytest.mark.long


@pytest.fixture
def redis(lab: Lab) -> Redis:
    return lab.start(Redis)


def test_a_server_that_begins_with_what_it_had_saved_long_ago_is_told_everything(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_LATELY", 0.0)
    host = begun(redis)
    redis.ask("SAVE")
    host.store.merge(pair(1), {NETWORK: PASSED})
    turns(host)
    host.outgoing.work()
    redis.kill()
    redis.restart()
    assert redis.ask("HLEN", rows_of(pair(1))) == "0"
    host.servers.edition += 1
    turns(host)
    assert redis.ask("HLEN", rows_of(pair(1))) == "1"


def test_what_was_told_in_the_last_minute_is_told_again_over_each_new_connection(redis: Redis) -> None:
    host, other = begun(redis, "mx1"), begun(redis, "mx2")
    host.store.merge(pair(1), {NETWORK: PASSED})
    turns(host)
    redis.ask("DEL", FEED, rows_of(pair(1)))  # as another server may not have got it yet
    host.servers.edition += 1
    turns(host, other)
    assert redis.ask("HLEN", rows_of(pair(1))) == "1"
    assert other.own.read(pair(1)) == {NETWORK: PASSED}


def test_what_the_feed_has_not_got_is_sent_again(redis: Redis) -> None:
    host, other = begun(redis, "mx1"), begun(redis, "mx2")
    host.servers.cut = {FEED}
    host.store.merge(pair(1), {NETWORK: PASSED})
    host.outgoing.work()
    assert len(host.store.outbox) == 1
    host.servers.cut.clear()
    turns(host, other)
    assert other.own.read(pair(1)) == {NETWORK: PASSED}


def test_more_than_may_wait_is_not_lost(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    host = begun(redis)
    monkeypatch.setattr(host.store.outbox, "_most", 10)
    host.servers.reached = False
    for n in range(50):
        host.store.merge(pair(n), {NETWORK: PASSED})
    assert len(host.store.outbox) == 10
    turns(host)
    host.servers.reached = True
    monkeypatch.undo()
    turns(host)
    assert all(redis.ask("HLEN", rows_of(pair(n))) == "1" for n in range(50))


def test_rows_that_say_nothing_any_more_are_not_sent(redis: Redis) -> None:
    store = full(1)
    store.merge(pair(1), {NETWORK: Record(generation=0, first_seen=NOW - 49 * 3600.0)})
    begun(redis, own=store)
    assert [redis.ask("EXISTS", rows_of(pair(n))) for n in (0, 1)] == ["1", "0"]


@pytest.mark.parametrize("seconds", [1, 120])
def test_what_another_master_has_is_read_though_its_clock_is_behind(redis: Redis, seconds: int) -> None:
    """It has lost the end of the feed, and numbers what comes then by its own time."""
    host, other = begun(redis, "mx1"), begun(redis, "mx2")
    other.store.merge(pair(1), {NETWORK: PASSED})
    turns(other, host)
    last = host.follower.at.milliseconds
    redis.ask("DEL", FEED)
    entry = packed([(pair(2), {NETWORK: PASSED})], 0.0)
    host.servers.run("XADD", FEED, f"{last - 1000 * seconds}-0", "h", "mx2", "b", entry)
    host.servers.edition += 1
    turns(host)
    assert host.own.read(pair(2)) == {NETWORK: PASSED}


def test_a_comparison_that_is_cut_off_is_begun_anew(redis: Redis) -> None:
    other = begun(redis, "mx2", own=full(300))
    redis.ask("DEL", FEED)
    host = Host("mx1", redis.path, time)
    host.servers.lasts = 9
    turns(host, other)
    assert host.servers.lasts < 0
    assert not host.state.whole
    host.servers.lasts = inf
    turns(host)
    assert {n for n in range(300) if host.store.read(pair(n)) == {NETWORK: PASSED}} == {*range(300)}
    assert host.state.whole


def test_a_comparison_that_a_worker_had_not_done_when_it_ended_is_done_by_another(redis: Redis) -> None:
    begun(redis, "mx2", own=full(300))
    redis.ask("DEL", FEED)
    host = Host("mx1", redis.path, time)
    host.servers.lasts = 9
    turns(host)
    host.role.start()
    host.role.close()
    host.state.ends(0, waiting=0)
    host.servers.lasts = inf
    host.start()
    turns(host)
    assert {n for n in range(300) if host.own.read(f"{LOADED}{digest(pair(n))}")} == {*range(300)}


def test_rows_that_a_worker_had_to_send_when_it_was_killed_are_sent_by_another(redis: Redis) -> None:
    host = begun(redis)
    host.store.merge(pair(1), {NETWORK: PASSED})
    host.state.leave_role()
    host.start()
    turns(host)
    assert redis.ask("HLEN", rows_of(pair(1))) == "1"


def test_rows_that_a_worker_could_not_send_before_it_ended_are_sent_by_another(redis: Redis) -> None:
    host = begun(redis)
    host.store.merge(pair(1), {NETWORK: PASSED})
    host.state.leave_role()
    host.state.ends(0, waiting=len(host.store.outbox))
    host.start()
    turns(host)
    assert redis.ask("HLEN", rows_of(pair(1))) == "1"


def test_a_server_that_was_emptied_has_everything_again(redis: Redis) -> None:
    hosts = begun(redis, "mx1", own=full(300)), begun(redis, "mx2")
    redis.ask("FLUSHALL")
    turns(*hosts)
    assert all(redis.ask("HLEN", rows_of(pair(n))) == "1" for n in range(300))


def test_rows_that_come_before_a_host_has_seen_that_all_is_gone_are_no_strangers(redis: Redis) -> None:
    host = begun(redis)
    redis.ask("FLUSHALL")
    host.store.merge(pair(1), {NETWORK: PASSED})
    host.outgoing.work()
    assert redis.ask("HLEN", rows_of(pair(1))) == "1"
    turns(host)
    assert host.told == []


def test_rows_whose_pair_nobody_knows_come_to_all_who_know_it(redis: Redis) -> None:
    other = begun(redis, "mx2")
    other.store.merge(pair(1), {"spf:honest.example": PASSED})
    assert other.store.read(pair(1)).keys() == {"spf:honest.example"}
    store = MemoryStore(KIND)
    store.merge(f"{LOADED}{digest(pair(1))}", {NETWORK: PASSED})
    turns(begun(redis, "mx1", own=store), other)
    assert other.store.read(pair(1)).keys() == {"spf:honest.example", NETWORK}


def test_who_has_missed_some_of_the_feed_compares(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LENGTH", 5)
    one, other = begun(redis, "mx1"), begun(redis, "mx2")
    other.servers.reached = False
    turns(other)
    for n in range(300):
        one.store.merge(pair(n), {NETWORK: PASSED})
        one.outgoing.work()
    other.servers.reached = True
    turns(other)
    assert {n for n in range(300) if other.store.read(pair(n)) == {NETWORK: PASSED}} == {*range(300)}


def test_so_does_who_was_late_and_never_out_of_reach(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "LENGTH", 60)
    one, other = begun(redis, "mx1"), begun(redis, "mx2")
    for n in range(300):
        one.store.merge(pair(n), {NETWORK: PASSED})
        one.outgoing.work()
    turns(other)
    assert {n for n in range(300) if other.store.read(pair(n)) == {NETWORK: PASSED}} == {*range(300)}


@pytest.mark.parametrize("number", [1, 300])
def test_a_host_whose_own_store_is_new_all_at_once_gets_everything_back(redis: Redis, number: int) -> None:
    host = begun(redis, "mx1", own=full(number))
    assert isinstance(host.own, MemoryStore)
    host.own.expire(NOW + 99 * 86400.0)
    turns(host)
    assert {n for n in range(300) if host.store.read(pair(n)) == {NETWORK: PASSED}} == {*range(number)}


class Locked(MemoryStore[Record]):
    """A store that can't be used as long as a story says so."""

    locked = False

    @property
    def gone(self) -> bool:
        return self.locked


def test_what_others_learn_while_the_own_store_is_gone_comes_when_it_is_back(redis: Redis) -> None:
    store = Locked(KIND)
    host, other = begun(redis, "mx1", own=store), begun(redis, "mx2")
    store.locked = True
    other.store.merge(pair(1), {NETWORK: PASSED})
    turns(other, host)
    assert store.read(pair(1)) == {}
    store.locked = False
    turns(host)
    assert store.read(pair(1)) == {NETWORK: PASSED}
