"""Three hosts that count together by one real server: how much they let through, and what becomes of its faults."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from math import floor
from pathlib import Path

import pytest

from milter64.limits.rate_table import Counter, RateTable
from milter64.limits.settings import LEVELS, Rate, Settings
from milter64.sharing import counter_script, shared_counters
from milter64.sharing.server_url import parse
from milter64.sharing.servers import open_servers
from rig.counting_hosts import Host, Time, Worker, sharing, standing_script
from rig.envelopes import TRANSLATOR
from rig.forked import forked
from rig.network import HERE
from rig.process import until
from rig.redis import Redis
from rig.sharing import Reached

pytestmark = pytest.mark.long

HOUR = 3600.0
CLIENT, TRANSLATED = "192.31.196.10", "64:ff9b::c01f:c40a"
Attempts = Callable[[random.Random, int], list[int]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch, server: Redis) -> Iterator[Time]:
    """Time that stands for everybody until a test puts it forward; nothing is told meanwhile either."""
    monkeypatch.setattr(counter_script, "SCRIPT", standing_script())
    monkeypatch.setattr(shared_counters, "_EVERY", HOUR)
    with closing(Reached(server.path)) as servers:
        yield Time(servers)


def counter_of(host: Host) -> Counter:
    """Return the counter of sessions of the client itself."""
    name, begins = host.table.place(host.table.segment(b"\xc0\x1f"), 0, b"\xc0\x1f\xc4\x0a")
    known_as = "{c01f}:sessions:ipv4/32:c01fc40a"
    return Counter(limit=0, name=name, begins=begins, interval=12.0, period=HOUR, known_as=known_as)


def close(*hosts: Host) -> None:
    for host in hosts:
        host.close()


def sessions(count: int, **more: int) -> Settings:
    levels = {"ipv4/32": count, **{level.replace("_", "/"): number for level, number in more.items()}}
    return Settings(sessions={level: Rate(count=number, seconds=HOUR) for level, number in levels.items()})


def even(_chance: random.Random, step: int) -> list[int]:
    """Each host in its turn."""
    return [step % 3]


def uneven(chance: random.Random, _step: int) -> list[int]:
    """One gets nearly all."""
    return chance.choices(range(3), weights=[20, 3, 1])


def one_by_one(_chance: random.Random, step: int) -> list[int]:
    """The next one when the one before has been tried for long."""
    return [min(step // 500, 2)]


def all_at_once(_chance: random.Random, _step: int) -> list[int]:
    return [0, 1, 2]


def one_seldom(_chance: random.Random, step: int) -> list[int]:
    """The third only when it has half forgotten."""
    return [0, 1, *([2] * 40 if step % 250 > 245 else [])]


@pytest.mark.parametrize("exact", [False, True], ids=["told", "asked"])
@pytest.mark.parametrize("count", [10, pytest.param(60, marks=pytest.mark.slow), 300])
@pytest.mark.parametrize("attempts", [even, uneven, one_by_one, all_at_once, one_seldom])
@pytest.mark.parametrize("pause", [0.0, 0.25, 8.0], ids=["burst", "quick", "slow"])
def test_three_hosts_let_through_what_one_would(
    server: Redis, standing: Time, attempts: Attempts, count: int, pause: float, *, exact: bool
) -> None:
    chance = random.Random(1)
    hosts = [Host(server.path, sessions(count), standing, exact=exact) for _ in range(3)]
    through = 0
    for step in range(1500):
        through += sum(hosts[host].sessions(CLIENT) for host in attempts(chance, step))
        if pause:
            standing.pass_by(pause)
            for host in hosts:
                host.tell()
    allowed = count + floor(standing.passed / HOUR * count)
    assert allowed * (0.99 if exact else 0.9) <= through <= allowed * (1.0 if exact else 1.1)
    close(*hosts)


@pytest.mark.parametrize(("exact", "most"), [(False, 1.1), (True, 1.01)], ids=["told", "asked"])
def test_so_do_three_hosts_of_three_workers_each(server: Redis, *, exact: bool, most: float) -> None:
    count, tables, states = 600, [RateTable() for _ in range(3)], [sharing(3) for _ in range(3)]
    turns, into = os.pipe()
    os.write(into, bytes([0, 1, 2] * 3))

    def work() -> bytes:
        (host,) = os.read(turns, 1)
        with closing(Worker(sessions(count), tables[host], states[host], Reached(server.path), exact=exact)) as worker:
            return str(worker.sessions(CLIENT, attempts=300)).encode()

    through = sum(map(int, forked(9, work)))
    os.close(turns)
    os.close(into)
    assert count * (0.99 if exact else 0.9) <= through <= count * most, f"{through} of {count}"


def test_who_is_far_below_the_limits_costs_no_round_trip_and_the_server_hears_of_it_once(
    server: Redis, standing: Time
) -> None:
    host, other = (Host(server.path, sessions(300, ipv4_24=600), standing) for _ in range(2))
    assert host.sessions(CLIENT, attempts=10) == 10, "a tenth of the limit, by three"
    assert (host.trips, host.waiting) == (0, 1)
    host.tell()
    assert (host.trips, host.waiting, host.lately) == (1, 0, 20)
    host.tell()
    assert host.trips == 1
    assert host.sessions(CLIENT, attempts=10) == 10
    assert host.sessions(CLIENT) == 1
    assert host.trips == 2, "one too many to say nothing of it"
    assert other.sessions(CLIENT) == 1
    other.tell()
    assert other.table.tell([counter_of(other)]) == [(0, 22 * 12.0)]
    close(host, other)


def test_where_nothing_may_be_shared_nothing_is(server: Redis, standing: Time) -> None:
    host, other = (Host(server.path, sessions(30), standing, exact=exact) for exact in (False, True))
    for each in (host, other):
        each.state.may = False
        assert each.sessions(CLIENT, attempts=40) == 30
        each.tell()
        assert each.trips == each.lately == 0
    host.state.may = True
    assert host.sessions("192.31.196.11") == 1
    host.state.may = False
    host.tell()
    assert (host.waiting, host.trips) == (0, 0), "nor is it kept until it may be"
    assert server.ask("KEYS", "*:c:*") == ""
    close(host, other)


def test_a_flood_has_so_much_wait_and_no_more(server: Redis, standing: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counters, "_MOST", 150)
    host = Host(server.path, sessions(300, ipv4_24=30_000), standing)
    assert sum(host.sessions(f"192.31.196.{n}") for n in range(200)) == 200
    assert host.waiting == 150
    host.tell()
    assert (host.waiting, host.lately) == (0, 150 + 200), "of their /24 nothing is lost"
    close(host)


def test_a_client_through_a_translator_is_the_one_it_is_at_another_host(server: Redis, standing: Time) -> None:
    hosts = [Host(server.path, sessions(30), standing, exact=True) for _ in range(2)]
    assert hosts[0].sessions(TRANSLATED, attempts=20) == 20
    assert hosts[1].sessions(CLIENT, attempts=20) == 10
    assert [host.sessions("192.31.196.11") for host in hosts] == [1, 1]
    close(*hosts)


def test_all_or_nothing_counts_and_the_longest_wait_is_told(server: Redis, standing: Time) -> None:
    hosts = [Host(server.path, sessions(10, ipv4_24=20), standing, exact=True) for _ in range(2)]
    assert hosts[0].sessions(CLIENT, attempts=10) == 10
    found = hosts[1].rates.session(TRANSLATOR.client(CLIENT))
    assert found
    assert (found.result, found.fact("seconds")) == ("ipv4/32", "360")
    assert hosts[1].sessions("192.31.196.11", attempts=20) == 10, "what was refused has not counted by the /24"
    close(*hosts)


def test_recipients_refused_at_one_host_count_at_the_others_which_only_look_at_them(
    server: Redis, standing: Time
) -> None:
    rate = Rate(count=30, seconds=HOUR)
    hosts = [Host(server.path, Settings(refused_recipients={"ipv4/32": rate}), standing) for _ in range(2)]
    for _ in range(40):
        hosts[0].rates.refused(TRANSLATOR.client(CLIENT))
    hosts[0].tell()
    assert hosts[1].recipients(CLIENT) == 1, "it has not heard of them"
    hosts[1].tell()
    assert hosts[1].recipients(CLIENT) == 0
    close(*hosts)


def test_what_was_taken_at_a_host_with_other_limits_is_taken_here_too(server: Redis, standing: Time) -> None:
    hosts = [Host(server.path, sessions(count), standing, exact=True) for count in (60, 600)]
    assert hosts[0].sessions(CLIENT, attempts=30) == 30
    assert hosts[1].sessions(CLIENT, attempts=1000) == 570
    assert hosts[0].sessions(CLIENT) == 0
    close(*hosts)


@pytest.mark.parametrize("lost", [["FLUSHALL"], ["SCRIPT", "FLUSH"]])
def test_a_server_that_has_lost_everything_hears_it_from_the_hosts(
    server: Redis, standing: Time, lost: list[str]
) -> None:
    hosts = [Host(server.path, sessions(300), standing) for _ in range(3)]
    through = 0
    for _ in range(100):
        through += sum(host.sessions(CLIENT) for host in hosts)
        for host in hosts:
            host.tell()
        if through % 60 == 0:
            server.ask(*lost)
            standing.pass_by(0.0)
    assert 300 <= through <= 330
    close(*hosts)


def test_without_the_server_each_host_counts_alone_and_nobody_is_refused_for_it(server: Redis, standing: Time) -> None:
    hosts = [Host(server.path, sessions(300), standing) for _ in range(3)]
    assert [host.sessions(CLIENT, attempts=20) for host in hosts] == [20] * 3
    for host in hosts:
        host.tell()
        host.servers.reached = False
    through = [host.sessions(CLIENT, attempts=400) for host in hosts]
    assert through == [258, 249, 240], "all but its own and what it has heard of"
    for host in hosts:
        host.tell()
        host.servers.reached = True
    standing.pass_by(HOUR)
    for host in hosts:
        host.tell()
    assert 300 <= sum(host.sessions(CLIENT, attempts=300) for host in hosts) <= 330, "together again"
    close(*hosts)


@pytest.mark.parametrize("theirs", [["RPUSH", "{key}", "1"], ["SET", "{key}", "x y z"], ["SET", "{key}", "x y"]])
def test_what_is_no_counter_of_ours_refuses_nobody(server: Redis, standing: Time, theirs: list[str]) -> None:
    hosts = [Host(server.path, sessions(30), standing, exact=exact) for exact in (False, True)]
    server.ask(*[word.format(key=counter_script.key(counter_of(hosts[0]))) for word in theirs])
    for host in hosts:
        host.sessions("192.31.196.11")
        assert host.sessions(CLIENT, attempts=10) == 10
        host.tell()
    close(*hosts)


def test_a_real_link_to_a_server_that_hangs_and_dies_costs_one_decision_half_a_second(server: Redis) -> None:
    servers = open_servers(parse(server.local), lambda _: None, lambda _: None)
    with closing(Worker(sessions(30), RateTable(), sharing(3), servers, exact=True)) as worker:
        until(lambda: worker.sessions("192.31.197.10") and server.ask("KEYS", "*:c:*"))
        server.stop()
        begun = time.monotonic()
        assert worker.sessions(CLIENT, attempts=40) == 30
        assert time.monotonic() - begun < 2.0  # half a second and the usual, with room for a busy machine
        server.go_on()
        server.kill()
        assert worker.sessions("192.31.198.10", attempts=40) == 30
        server.restart()
        until(lambda: worker.sessions("192.31.199.10") and "c01fc7" in server.ask("KEYS", "*:c:*"))
        assert worker.sessions(CLIENT) == 0


def test_all_counters_of_a_decision_are_in_one_slot_of_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = {level: Rate(count=30, seconds=HOUR) for level in LEVELS}
    settings = Settings(sessions=every, recipients=every, refused_recipients=every)
    monkeypatch.setattr(shared_counters, "_EVERY", HOUR)
    with (
        HERE.reserve("127.0.0.1") as bus,
        Redis(tmp_path / "c", "cluster-enabled yes", f"cluster-port {bus.port}") as one,
    ):
        one.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        until(lambda: "cluster_state:ok" in one.ask("CLUSTER", "INFO"))
        told, asked = (Host(one.path, settings, time.monotonic, exact=exact, hosts=1) for exact in (False, True))
        for host in (told, asked):
            host.servers.together = False
            for address in (CLIENT, "2001:db8:1:2::3", "64:ff9b::7f00:1"):
                left = 30 if host is told else 0
                assert [host.sessions(address, 40), host.recipients(address, 40)] == [left, left]
                host.rates.refused(TRANSLATOR.client(address))
            host.tell()
        keys = one.ask("KEYS", "*").split()
        assert len(keys) == 3 * (2 + 5 + 1)
        blocks = {key.partition("}")[0] for key in keys}
        assert len({one.ask("CLUSTER", "KEYSLOT", key) for key in keys}) == len(blocks) == 3
        close(told, asked)
