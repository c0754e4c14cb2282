"""What a decision reads where hosts share: its own store, and the server only while that may lack something."""

from collections.abc import Iterator
from time import time

import pytest

from milter64.greylist.row import Record
from milter64.sharing.keys import LOADED, digest, rows_of
from milter64.sharing.merging import merge
from milter64.sharing.shared_store import known_here
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import KIND, Host

PAIR = "<joe@honest.example> <you@lab.example>"
NETWORK, DOMAIN = "net:192.31.196.0/24", "spf:honest.example"
NOW = round(time(), 3)
WAITS = Record(generation=0, first_seen=NOW - 30)
PASSED = Record(generation=0, first_seen=NOW - 600, passed_at=NOW - 300)


@pytest.fixture
def redis(lab: Lab) -> Redis:
    return lab.start(Redis)


@pytest.fixture
def host(redis: Redis) -> Iterator[Host]:
    host = Host("mx1", redis.path, time)
    host.turn()
    host.turn()
    assert host.state.whole
    host.servers.asked.clear()
    yield host
    assert host.faults == []


def alone(host: Host) -> None:
    """Have it share, and be sure of nothing."""
    host.state.found(whole=False, hosts=1, lag=0.0)


def told(host: Host, rows: dict[str, Record]) -> None:
    """Have another host have told the server of rows."""
    host.servers.run(*merge([(PAIR, rows)], KIND, NOW, 0.0))
    host.servers.asked.clear()


def test_a_host_that_has_everything_asks_nothing(host: Host) -> None:
    told(host, {NETWORK: PASSED})
    assert host.store.read(PAIR) == {}
    assert host.servers.asked == []


def test_a_host_that_may_lack_something_asks_once_for_a_pair_that_would_wait(host: Host) -> None:
    alone(host)
    told(host, {NETWORK: PASSED})
    host.store.merge(PAIR, {DOMAIN: WAITS})
    assert host.store.read(PAIR) == {NETWORK: PASSED, DOMAIN: WAITS}
    assert host.servers.asked == ["HGETALL"]
    assert host.own.read(PAIR) == {NETWORK: PASSED, DOMAIN: WAITS}


def test_a_pair_that_passes_is_not_asked_for_again_within_a_minute(host: Host) -> None:
    alone(host)
    told(host, {NETWORK: PASSED})
    for _ in range(3):
        assert host.store.read(PAIR) == {NETWORK: PASSED}
    assert host.servers.asked == ["HGETALL"]


def test_a_pair_that_waits_is_asked_for_at_each_try(host: Host) -> None:
    alone(host)
    host.store.merge(PAIR, {NETWORK: WAITS})
    assert host.store.read(PAIR) == {NETWORK: WAITS}
    told(host, {NETWORK: PASSED})
    assert host.store.read(PAIR) == {NETWORK: KIND.merge(WAITS, PASSED)}


def test_a_host_goes_on_alone_where_the_server_is_gone_or_may_not_be_asked(host: Host) -> None:
    told(host, {NETWORK: PASSED})
    host.store.merge(PAIR, {DOMAIN: WAITS})
    alone(host)
    host.servers.reached = False
    assert host.store.read(PAIR) == {DOMAIN: WAITS}
    host.servers.reached = True
    host.state.refuse()
    assert host.store.read(PAIR) == {DOMAIN: WAITS}


def test_what_is_no_row_on_the_server_counts_for_nothing(host: Host) -> None:
    alone(host)
    host.servers.run("HSET", rows_of(PAIR), NETWORK, "rubbish", DOMAIN, "0 1 2 3")
    assert host.store.read(PAIR) == {}
    host.servers.run("DEL", rows_of(PAIR))
    host.servers.run("SET", rows_of(PAIR), "another program's")
    assert host.store.read(PAIR) == {}


def test_rows_that_were_loaded_are_their_pairs_from_the_first_read_on(host: Host) -> None:
    host.own.merge(f"{LOADED}{digest(PAIR)}", {NETWORK: PASSED})
    assert host.store.read(PAIR) == {NETWORK: PASSED}
    assert host.own.read(PAIR) == {NETWORK: PASSED}


def test_rows_that_are_loaded_later_are_found_too(host: Host) -> None:
    host.store.merge(PAIR, {DOMAIN: WAITS})
    assert host.store.read(PAIR) == {DOMAIN: WAITS}
    host.own.merge(f"{LOADED}{digest(PAIR)}", {NETWORK: PASSED})
    host.state.loaded()
    assert host.store.read(PAIR) == {NETWORK: PASSED, DOMAIN: WAITS}


def test_who_only_reads_sees_what_was_loaded_too(host: Host) -> None:
    host.own.merge(PAIR, {NETWORK: WAITS})
    host.own.merge(f"{LOADED}{digest(PAIR)}", {NETWORK: PASSED, DOMAIN: WAITS})
    assert known_here(host.own.read, KIND, PAIR) == {NETWORK: KIND.merge(WAITS, PASSED), DOMAIN: WAITS}
    assert known_here(host.own.read, KIND, "<> <you@lab.example>") == {}


def test_rows_are_here_what_they_are_elsewhere_to_the_millisecond(host: Host) -> None:
    host.store.merge(PAIR, {NETWORK: Record(generation=0, first_seen=NOW + 0.0004, passed_at=NOW + 0.9996)})
    assert host.own.read(PAIR) == {NETWORK: Record(generation=0, first_seen=NOW, passed_at=NOW + 1.0)}
