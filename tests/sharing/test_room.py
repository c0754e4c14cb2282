"""Too many rows on a real server: a flood's give way before honest ones, over hosts, and the others stay."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from time import time

import pytest

from milter64.greylist.row import Record
from milter64.sharing import room, row_texts
from milter64.sharing.interface import Command, Reply
from milter64.sharing.keys import ROOM, ROWS
from milter64.sharing.merging import merge
from milter64.sharing.room import TAKE, Room
from rig.lab import Lab
from rig.process import until
from rig.redis import Redis
from rig.sharing import KIND, Host, Reached

pytestmark = pytest.mark.long

MOST = 400
Pairs = dict[str, dict[str, Record]]
NOW = round(time(), 3)
FLOODS: dict[str, Callable[[int], str]] = {
    "one /16": lambda number: f"net:198.18.{number % 256}.0/24",
    "one /24": lambda _: "net:198.51.100.0/24",
    "one /32": lambda number: f"net:2001:db8:{number:x}::/64",
    "one /48": lambda number: f"net:2001:db8:1:{number:x}::/64",
}


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Lab() as lab:
        yield lab.start(Redis)


@pytest.fixture
def server(redis: Redis) -> Iterator[Reached]:
    server = Reached(redis.path)
    server.run("FLUSHALL")
    yield server
    server.close()


@pytest.fixture
def hosts(redis: Redis, server: Reached) -> Iterator[list[Host]]:
    hosts = [Host(name, redis.path, time, most=MOST) for name in ("mx1", "mx2", "mx3")]
    for host in hosts:
        host.turn()
    yield hosts
    assert [host.faults for host in hosts] == [[]] * 3
    until(lambda: fits(hosts, server) and server.run("PTTL", ROOM) not in range(60_001), "them to end what they began")
    for host in hosts:
        host.servers.close()


def fits(hosts: list[Host], server: Reached) -> bool:
    """Have all hosts do what is due, and return whether no row is too much then."""
    for host in hosts:
        host.turn()
    return rows(server) <= MOST


def waiting(name: str, count: int, network: Callable[[int], str], since: float = 60.0) -> Pairs:
    row = Record(generation=0, first_seen=NOW - since)
    return {f"<{name}{n}@a.example> <b@lab.example>": {network(n): row} for n in range(count)}


HONEST = waiting("honest", 60, lambda number: f"net:{number + 20}.1.2.0/24") | waiting(
    "honest6", 20, lambda number: f"net:2a00:{number:x}::/64"
)
PASSED = {
    f"<passed{n}@a.example> <{number}@lab.example>": {  # in the networks of the floods
        network(n): Record(generation=0, first_seen=NOW - 3600.0, passed_at=NOW - n)
    }
    for number, network in enumerate(FLOODS.values())
    for n in range(25)
}


def put(server: Reached, pairs: Pairs) -> None:
    server.run(*merge(list(pairs.items()), KIND, NOW, 0.0))


def learn(host: Host, pairs: Pairs) -> None:
    for key, rows in pairs.items():
        host.store.merge(key, rows)


def left(server: Reached) -> set[str]:
    return {key.decode() for key in server.run("KEYS", f"{ROWS}*")}


def keys(pairs: Pairs) -> set[str]:
    return {str(merge([(key, rows)], KIND, NOW, 0.0)[3]) for key, rows in pairs.items()}


def rows(server: Reached) -> int:
    return sum(server.run("HLEN", key) for key in left(server))


def made(server: Reached, most: int = MOST) -> None:
    """Make room."""
    assert list(Room(server, "mx1", KIND, most=most).steps(0.0))


@pytest.mark.parametrize("network", FLOODS.values(), ids=FLOODS)
def test_the_rows_of_a_flood_give_way(hosts: list[Host], server: Reached, network: Callable[[int], str]) -> None:
    one, two, three = hosts
    learn(one, HONEST)
    learn(two, PASSED)
    learn(one, waiting("flood", 500, network))
    learn(three, waiting("more", 500, network))
    until(lambda: fits(hosts, server), "room to be made")
    assert keys(HONEST) | keys(PASSED) <= left(server)
    assert rows(server) > 0.8 * MOST


@pytest.mark.slow
def test_the_cap_holds_while_a_flood_goes_on(hosts: list[Host], server: Reached) -> None:
    learn(hosts[0], HONEST)
    most = 0
    for number in range(20):
        for host in hosts:
            learn(host, waiting(f"{host.name}.{number}.", 50, FLOODS["one /32"]))
            host.turn()
            most = max(most, rows(server))
    learn(hosts[1], PASSED)
    hosts[1].turn()
    assert MOST < most <= MOST + 3 * 50  # what three hosts learn between two looks
    assert keys(HONEST) | keys(PASSED) <= left(server)


def test_a_pair_with_many_rows_counts_for_as_many(server: Reached) -> None:
    many = {f"net:192.0.{n}.0/24": Record(generation=0, first_seen=NOW) for n in range(30)}
    put(server, {f"<a{n}@a.example> <b@lab.example>": many for n in range(100)})
    assert Room(server, "mx1", KIND).rows() == 3000
    server.run("HSET", "another", *(word for n in range(1000) for word in (n, n)))
    assert 2700 <= Room(server, "mx1", KIND).rows() <= 3030
    made(server, 1000)
    assert rows(server) <= 1000


def test_of_passed_rows_those_that_expire_first_give_way(server: Reached) -> None:
    old = Record(generation=0, first_seen=0.0, passed_at=NOW - 86400)
    put(server, PASSED | {f"{key}+": {"net:192.0.2.0/24": old} for key in PASSED})
    made(server, 150)
    assert keys(PASSED) <= left(server)
    assert 100 < rows(server) <= 150


def test_more_networks_than_are_told_apart_give_way_too(server: Reached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_BLOCKS", 20)
    put(server, waiting("bots", 1000, lambda number: f"net:{number % 200 + 1}.{number % 7}.2.0/24"))
    made(server)
    assert 0.8 * MOST < rows(server) <= MOST


def test_one_host_at_a_time_makes_room(server: Reached) -> None:
    put(server, waiting("flood", 1000, FLOODS["one /16"]))
    one, other = (Room(server, name, KIND, most=MOST) for name in ("mx1", "mx2"))
    steps = one.steps(0.0)
    next(steps)
    assert list(other.steps(0.0)) == []
    assert rows(server) == 1000
    assert len(list(steps)) > 1
    assert rows(server) <= MOST
    assert not server.run("EXISTS", ROOM)


def test_a_host_that_dies_over_it_keeps_the_others_off_for_a_minute(server: Reached) -> None:
    put(server, waiting("flood", 1000, FLOODS["one /16"]))
    dies = Room(server, "mx1", KIND, most=MOST).steps(0.0)
    next(dies)
    assert 0 < server.run("PTTL", ROOM) <= 60_000
    server.reached = False
    del dies
    server.reached = True
    assert server.run("EXISTS", ROOM)


def test_a_host_that_was_taken_for_dead_leaves_it_to_the_other(
    server: Reached, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STILL_THERE", 0.0)
    put(server, waiting("flood", 1000, FLOODS["one /16"]))
    slow = Room(server, "mx1", KIND, most=MOST).steps(0.0)
    next(slow)
    server.run("SET", ROOM, "mx2", "PX", 60_000)
    assert list(slow) == []
    assert rows(server) == 1000
    assert server.run("GET", ROOM) == b"mx2"


def test_a_host_that_takes_long_says_that_it_is_still_there(server: Reached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_STILL_THERE", 0.0)
    put(server, waiting("flood", 1000, FLOODS["one /16"]))
    steps = Room(server, "mx1", KIND, most=MOST).steps(0.0)
    next(steps)
    server.run("PEXPIRE", ROOM, 30_000)
    next(steps)
    assert server.run("PTTL", ROOM) > 50_000
    assert list(steps)


def test_where_nothing_has_to_go_nobody_looks_again_soon(server: Reached) -> None:
    put(server, waiting("few", 10, FLOODS["one /16"]))
    made(server)
    assert server.run("PTTL", ROOM) > 500_000
    assert rows(server) == 10


class Meddling(Reached):
    """Has each row pass right before it would be taken out."""

    def send(self, key: str, commands: Sequence[Command]) -> Future[list[Reply]]:
        for command in commands:
            if command[1:2] == (TAKE,):
                for group in command[4::2]:
                    passed = Record(generation=0, first_seen=NOW - 60.0, passed_at=NOW)
                    super().run("HSET", key, group, row_texts.dump(passed, 0.0))
        return super().send(key, commands)


def test_rows_that_move_meanwhile_stay(redis: Redis, server: Reached) -> None:
    flood = waiting("flood", 1000, FLOODS["one /16"])
    put(server, flood)
    meddling = Meddling(redis.path)
    made(meddling)
    assert meddling.asked.count("EVAL") >= 600
    assert left(server) == keys(flood)
    meddling.close()
