"""What a host's worker with the role does: hears, reads on, compares, and says why it may not share."""

from math import inf
from time import time

import pytest

from milter64.greylist.row import Record
from milter64.sharing import feed, outbox
from milter64.sharing.feed import packed
from milter64.sharing.keys import EPOCH, FEED, FORMAT_KEY, LOADED, MEMBERS, digest, rows_of
from milter64.sharing.members import Member, dump
from milter64.store.memory_store import MemoryStore
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import KIND, Host

NETWORK = "net:192.31.196.0/24"
NOW = round(time(), 3)
PASSED = Record(generation=0, first_seen=NOW - 600, passed_at=NOW - 300)


def pair(number: int) -> str:
    return f"<a{number}@honest.example> <b@lab.example>"


@pytest.fixture
def redis(lab: Lab) -> Redis:
    return lab.start(Redis)


def begun(redis: Redis, name: str = "mx1", own: MemoryStore[Record] | None = None) -> Host:
    host = Host(name, redis.path, time, own=own)
    turns(host)
    return host


def turns(*hosts: Host) -> None:
    for _ in range(3):
        for host in hosts:
            host.turn()
            assert host.faults == []


def full(number: int) -> MemoryStore[Record]:
    store = MemoryStore(KIND)
    for n in range(number):
        store.merge(pair(n), {NETWORK: PASSED})
    return store


def test_a_host_that_begins_has_what_others_know_and_they_have_what_it_knows(redis: Redis) -> None:
    one = begun(redis, "mx1", own=full(300))
    other = begun(redis, "mx2")
    other.store.merge(pair(1000), {NETWORK: PASSED})
    turns(other, one)
    for host in (one, other):
        assert {n for n in range(1001) if host.store.read(pair(n)) == {NETWORK: PASSED}} == {*range(300), 1000}
        assert host.state.whole
    assert {host.state.hosts for host in (one, other)} == {2}


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


def test_a_host_that_has_all_is_told_nothing_again(redis: Redis) -> None:
    store = full(100)
    begun(redis, own=store)
    before = int(redis.ask("XLEN", FEED))
    host = begun(redis, own=store)
    assert int(redis.ask("XLEN", FEED)) == before
    assert host.own.read(f"{LOADED}{digest(pair(1))}") == {}


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


def test_a_host_with_too_little_room_asks(redis: Redis) -> None:
    begun(redis, "mx1", own=full(300))
    small = begun(redis, "mx2", own=MemoryStore(KIND, max_rows=100))
    assert not small.state.whole
    assert all(small.store.read(pair(n)) == {NETWORK: PASSED} for n in range(300))


def test_a_host_whose_own_store_is_new_all_at_once_gets_everything_back(redis: Redis) -> None:
    host = begun(redis, "mx1", own=full(300))
    assert isinstance(host.own, MemoryStore)
    host.own.expire(NOW + 99 * 86400.0)
    turns(host)
    assert {n for n in range(300) if host.store.read(pair(n)) == {NETWORK: PASSED}} == {*range(300)}


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
