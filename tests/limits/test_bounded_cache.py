"""A cache that is bounded by what its entries weigh."""

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.dns.lookup import Answer
from milter64.limits.bounded_cache import Cache, octets

CAPACITY = 10_000
LARGEST = 2_000


def value(size: int) -> bytes:
    return b"x" * size


def make() -> Cache[str, bytes]:
    return Cache(CAPACITY, LARGEST)


def test_a_value_is_kept_until_it_is_dropped() -> None:
    cache = make()
    assert cache.get("a") is None
    cache.put("a", b"1")
    cache.put("b", b"2")
    assert (cache.get("a"), cache.get("b"), len(cache)) == (b"1", b"2", 2)
    cache.drop("a")
    cache.drop("a")
    assert (cache.get("a"), cache.get("b"), len(cache)) == (None, b"2", 1)


def test_what_was_used_longest_ago_makes_room() -> None:
    cache = make()
    for name in "abcdef":
        cache.put(name, value(1500))
        cache.get("a")
    assert [name for name in "abcdef" if cache.get(name)] == list("acdef")


def test_one_entry_may_push_out_several() -> None:
    cache = make()
    for number in range(100):
        cache.put(str(number), b"")
    before = len(cache)
    cache.put("large", value(1500))
    assert len(cache) <= before - 3


def test_what_is_too_large_is_not_kept_and_nor_is_what_stood_there() -> None:
    cache = make()
    cache.put("a", b"1")
    cache.put("b", b"2")
    cache.put("a", value(LARGEST))
    assert (cache.get("a"), cache.get("b")) == (None, b"2")


OPERATIONS = st.tuples(st.sampled_from("abcdefghijkl"), st.integers(0, 2500), st.sampled_from(["put", "get", "drop"]))


@given(st.lists(OPERATIONS, max_size=60))
def test_it_weighs_what_its_entries_do_and_never_more_than_it_may(operations: list[tuple[str, int, str]]) -> None:
    cache, kept = make(), dict[str, bytes]()
    for key, size, operation in operations:
        if operation == "put":
            cache.put(key, value(size))
            kept[key] = value(size)
        elif operation == "drop":
            cache.drop(key)
            kept.pop(key, None)
        else:
            assert cache.get(key) in (None, kept.get(key))
        assert cache.weight <= CAPACITY
    alone = make()
    for key, size in [(key, len(kept[key])) for key in kept if cache.get(key) is not None]:
        alone.put(key, value(size))
    assert (cache.weight, len(cache)) == (alone.weight, len(alone))
    cache.clear()
    assert (cache.weight, len(cache)) == (0, 0)


def address(number: int) -> str:
    return ".".join(map(str, number.to_bytes(4)))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(lambda _: (), id="void answers"),
        pytest.param(lambda number: (address(number),), id="an address"),
        pytest.param(lambda number: tuple(address(1000 * number + each) for each in range(960)), id="960 addresses"),
        pytest.param(lambda number: (b"%d" % number * 500,), id="a text"),
        pytest.param(lambda number: tuple((each, f"mx{each}.{number}.t") for each in range(9)), id="mail exchangers"),
    ],
)
def test_an_entry_weighs_about_what_it_takes_in_memory(values: Callable[[int], tuple[object, ...]]) -> None:
    cache: Cache[tuple[str, str], tuple[float, Answer]] = Cache(2**30, 2**30)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(3000 if len(values(0)) < 10 else 50):
        name = f"host{number}.example.org"
        cache.put((name, "A"), (1.5 * number, Answer(exists=True, values=values(number), ttl=number, name=name)))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.95 * (after - before) < cache.weight < 1.6 * (after - before)  # what is lost between them comes on top


def test_things_weigh_what_they_consist_of() -> None:
    text = "a" * 1000
    assert octets(text) == octets(text.encode()) + octets("") - octets(b"")
    for thing in (
        (text, text),
        frozenset({text, f"{text}b"}),
        {text: text},
        Answer(exists=True, values=(text, text), ttl=1, name=""),
    ):
        assert 2000 < octets(thing) < 3000
