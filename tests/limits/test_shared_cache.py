"""A cache that forked workers share: what is found in it was put there, and what was used longest ago makes room."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.limits.shared_cache import SharedCache
from rig.forked import forked
from rig.sharedcache import CAPACITY, LARGEST, make

ALIKE = (-1, -2)
"""Keys with the same hash."""


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


def test_one_made_anew_has_the_same_memory_and_nothing_in_it_beside_those_who_have_it_already() -> None:
    cache = make()
    cache.put(("a",), "before")
    other = cache.anew()
    assert other.get(("a",)) is None
    other.put(("b",), "anew")
    assert (cache.get(("a",)), cache.get(("b",)), other.get(("b",))) == ("before", None, "anew")
    other.put(("a",), "anew")
    assert (cache.get(("a",)), other.get(("a",)), cache.weight) == (None, "anew", other.weight)


def test_a_key_whose_hash_is_0_can_be_dropped() -> None:
    cache: SharedCache[int, str] = SharedCache(CAPACITY, LARGEST)
    cache.put(0, "x")
    cache.drop(0)
    assert cache.get(0) is None


def test_what_has_no_room_at_all_is_not_kept() -> None:
    cache = make(300)
    cache.put(("a",), b"x" * 1000)
    assert cache.get(("a",)) is None


def test_any_of_several_in_a_set_can_be_dropped() -> None:
    cache = make(600)
    for name in "abc":
        cache.put((name,), name)
    cache.drop(("b",))
    assert [cache.get((name,)) for name in "abc"] == ["a", None, "c"]


def test_memory_is_what_was_written_and_no_more_than_the_capacity() -> None:
    cache = make(1_000_000)
    assert cache.weight == 0
    cache.put(("a",), b"x" * 100)
    assert 100 < cache.weight < 200
    for number in range(20_000):
        cache.put((str(number),), b"x" * 100)
    assert 0.9 * cache.capacity < cache.weight <= cache.capacity
