"""A cache that forked workers share: what is found in it was put there, whoever else writes, or is killed over it."""

import os
import signal
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.limits.shared_cache import SharedCache
from rig.forked import forked

CAPACITY = 20_000
LARGEST = 2_000
ALIKE = (-1, -2)
"""Keys with the same hash."""


class Made(SharedCache[tuple[str, ...], object]):
    """One that can be damaged."""

    @property
    def position(self) -> int:
        return self._next[0]

    @position.setter
    def position(self, position: int) -> None:
        self._next[0] = position

    @property
    def positions(self) -> int:
        return self._positions

    @property
    def room(self) -> int:
        return self._room

    def write_over(self, at: int, octets: bytes) -> None:
        self._records[at : at + len(octets)] = octets

    def lead_to(self, position: int) -> None:
        """Have all places that are taken lead to a position."""
        for number, place in enumerate(self._places.tolist()):
            if place:
                self._places[number] = place % 2**20 + position * 2**20


def make(capacity: int = CAPACITY) -> Made:
    return Made(capacity, LARGEST)


def test_a_value_is_kept_until_it_is_dropped() -> None:
    cache = make()
    assert cache.get(("a",)) is None
    cache.put(("a",), 1)
    cache.put(("b",), None)
    cache.put(("b",), ("two", 2.5, b"\0"))
    assert (cache.get(("a",)), cache.get(("b",))) == (1, ("two", 2.5, b"\0"))
    cache.drop(("a",))
    cache.drop(("a",))
    assert (cache.get(("a",)), cache.get(("b",))) == (None, ("two", 2.5, b"\0"))


def test_a_key_is_told_from_others_with_the_same_hash() -> None:
    one, other = ALIKE
    assert hash(one) == hash(other)
    cache: SharedCache[int, str] = SharedCache(CAPACITY, LARGEST)
    cache.put(one, "one")
    assert (cache.get(one), cache.get(other)) == ("one", None)
    cache.put(other, "other")
    assert (cache.get(one), cache.get(other)) == (None, "other")


@pytest.mark.parametrize("pair", [(("a\0b", "c"), ("a", "b\0c")), (("ab", "c"), ("a", "bc")), (("a",), ("a", ""))])
def test_no_two_keys_are_written_alike(pair: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    cache = make()
    for number, key in enumerate(pair):
        cache.put(key, number)
    assert [cache.get(key) for key in pair] == [0, 1]


def test_equal_keys_are_one_however_they_came_about() -> None:
    cache = make()
    one, other = (b"example.org".decode() for _ in range(2))
    cache.put((one, other), 1)
    assert one is not other
    assert cache.get((one, one)) == cache.get(("example.org", other)) == 1


def test_what_was_written_longest_ago_makes_room_and_what_is_used_stays() -> None:
    cache = make()
    cache.put(("used",), b"x")
    cache.put(("idle",), b"x")
    for number in range(1000):
        cache.put((str(number),), b"x" * 400)
        assert cache.get(("used",)) == b"x"
    assert cache.get(("idle",)) is None
    left = [number for number in range(1000) if cache.get((str(number),))]
    assert left == list(range(1000 - len(left), 1000))
    assert len(left) > 35


def test_what_is_too_large_is_not_kept_and_nor_is_what_stood_there() -> None:
    cache = make()
    cache.put(("a",), 1)
    cache.put(("b",), 2)
    cache.put(("a",), b"x" * LARGEST)
    assert (cache.get(("a",)), cache.get(("b",))) == (None, 2)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, LARGEST)), max_size=200))
def test_what_is_found_is_what_was_put_last(steps: list[tuple[int, int]]) -> None:
    cache, last = make(6_000), dict[int, bytes]()
    for number, size in steps:
        cache.put((str(number),), value := os.urandom(size))
        last[number] = value
        assert cache.weight <= cache.capacity
        assert cache.get((str(number),)) == (value if size < LARGEST - 40 else cache.get((str(number),)))
        for other, known in last.items():
            assert cache.get((str(other),)) in (known, None)


def test_what_one_process_has_put_others_get() -> None:
    cache = make()

    def put() -> bytes:
        cache.put(("child",), 1)
        return b""

    forked(1, put)
    assert cache.get(("child",)) == 1
    assert forked(1, lambda: repr(cache.get(("child",))).encode()) == [b"1"]


def test_where_there_are_no_more_numbers_for_positions_they_begin_anew() -> None:
    cache = make()
    cache.position = cache.positions - 1_000
    for number in range(1000):
        cache.put((str(number),), value := b"x" * (number % 200))
        assert cache.get((str(number),)) == value
    assert cache.position < 1_000_000


def test_a_position_that_was_written_in_parts_is_put_right() -> None:
    cache = make()
    cache.position = 2**64 - 1
    cache.put(("a",), 1)
    assert cache.get(("a",)) == 1


def test_many_that_write_at_once_spoil_some_and_nobody_gets_what_is_not_right() -> None:
    cache = make(200_000)

    def work() -> bytes:
        seed, wrong, found = os.getpid(), 0, 0
        for number in range(20_000):
            key = (number * 7919 + seed) % 2000
            value = cache.get((str(key),))
            found += value is not None
            wrong += value is not None and value != _of(key)
            cache.put((str(key),), _of(key))
        return f"{wrong} {found > 2000}".encode()

    assert forked(4, work) == [b"0 True"] * 4


def _of(key: int) -> tuple[int, bytes]:
    return key, str(key).encode() * (key % 50)


ROOM, POSITIONS = make().room, make().positions


@pytest.mark.parametrize(
    "damage",
    [
        lambda cache: cache.write_over(40, b"y"),
        lambda cache: cache.write_over(12, bytes(100)),
        lambda cache: cache.write_over(0, bytes(12)),
        lambda cache: cache.write_over(0, b"\xff" * 12),
        lambda cache: cache.lead_to(1),
        lambda cache: cache.lead_to(ROOM - 1),
        lambda cache: cache.lead_to(POSITIONS - 1),
        lambda cache: cache.lead_to(2**44 - 1),
    ],
)
def test_a_record_that_was_cut_short_or_written_over_counts_as_none(damage: Callable[[Made], None]) -> None:
    cache = make()
    cache.put(("a",), b"x" * 100)
    damage(cache)
    assert cache.get(("a",)) is None
    cache.put(("a",), 2)
    assert cache.get(("a",)) == 2


def test_a_process_that_is_killed_keeps_nobody_from_anything() -> None:
    cache = make()
    for _ in range(20):
        if not (child := os.fork()):
            while True:
                cache.put(("child",), os.urandom(300))
        for number in range(200):
            cache.put((str(number),), number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        cache.put(("mine",), 1)
        assert cache.get(("mine",)) == 1


def test_memory_is_what_was_written_and_no_more_than_the_capacity() -> None:
    cache = make(1_000_000)
    assert cache.weight == 0
    cache.put(("a",), b"x" * 100)
    assert 100 < cache.weight < 200
    for number in range(20_000):
        cache.put((str(number),), b"x" * 100)
    assert 0.9 * cache.capacity < cache.weight <= cache.capacity
