"""What every store promises, whatever it keeps its rows in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.interface import Store
from milter64.store.memory_store import MemoryStore
from milter64.store.open_store import open_store
from milter64.store.store_url import parse
from rig.process import until

PAIR = "<alice@example.org> <bob@example.com>"
OTHER_PAIR = "<alice@example.org> <carol@example.com>"
NETWORK = "net:192.31.196.0/24"
DOMAIN = "spf:example.org"
KIND = RecordKind(Settings(retry_window=1000.0, remember=10_000.0))


def unexpected(warning: str) -> None:
    raise AssertionError(warning)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store[Record]]:
    url = "memory:" if request.param == "memory" else f"sqlite:{tmp_path}/rows.sqlite"
    store = open_store(url, KIND, unexpected)
    yield store
    store.close()


def seen(at: float, generation: int = 0) -> Record:
    return Record(generation=generation, first_seen=at)


def test_a_key_that_was_never_merged_has_no_rows(store: Store[Record]) -> None:
    assert store.read(PAIR) == {}


def test_a_merged_row_is_read_at_once(store: Store[Record]) -> None:
    store.merge(PAIR, {NETWORK: seen(100.0)})
    assert store.read(PAIR) == {NETWORK: seen(100.0)}


def test_a_row_merged_after_a_read_is_read_at_once(store: Store[Record]) -> None:
    store.merge(PAIR, {NETWORK: seen(100.0)})
    store.read(PAIR)
    store.merge(PAIR, {NETWORK: Record(generation=0, first_seen=100.0, passed_at=170.0), DOMAIN: seen(170.0)})
    assert store.read(PAIR) == {
        NETWORK: Record(generation=0, first_seen=100.0, passed_at=170.0),
        DOMAIN: seen(170.0),
    }


def test_keys_and_groups_are_kept_apart(store: Store[Record]) -> None:
    store.merge(PAIR, {NETWORK: seen(100.0), DOMAIN: seen(200.0)})
    store.merge(OTHER_PAIR, {NETWORK: seen(300.0)})
    assert store.read(PAIR) == {NETWORK: seen(100.0), DOMAIN: seen(200.0)}
    assert store.read(OTHER_PAIR) == {NETWORK: seen(300.0)}


def test_rows_that_were_read_do_not_change_any_more(store: Store[Record]) -> None:
    store.merge(PAIR, {NETWORK: seen(100.0)})
    rows = store.read(PAIR)
    store.merge(PAIR, {NETWORK: seen(50.0), DOMAIN: seen(100.0)})
    assert rows == {NETWORK: seen(100.0)}


def test_rows_that_were_merged_stay_the_callers_own(store: Store[Record]) -> None:
    rows = {NETWORK: seen(100.0)}
    store.merge(PAIR, rows)
    rows[DOMAIN] = seen(200.0)
    assert store.read(PAIR) == {NETWORK: seen(100.0)}


def test_expired_rows_are_forgotten_and_no_others(store: Store[Record]) -> None:
    store.merge(PAIR, {NETWORK: seen(100.0), DOMAIN: Record(generation=0, first_seen=100.0, passed_at=160.0)})
    store.merge(OTHER_PAIR, {NETWORK: seen(101.0)})
    store.expire(1100.5)  # a waiting row is good until 1000 after it was first seen, one that passed 10,000 after that
    until(lambda: NETWORK not in store.read(PAIR))
    assert store.read(PAIR) == {DOMAIN: Record(generation=0, first_seen=100.0, passed_at=160.0)}
    assert store.read(OTHER_PAIR) == {NETWORK: seen(101.0)}


def test_the_latest_time_in_any_row_outlives_a_row_that_is_older(store: Store[Record]) -> None:
    assert store.latest() is None
    store.merge(PAIR, {NETWORK: Record(generation=0, first_seen=100.0, passed_at=900.0)})
    store.merge(OTHER_PAIR, {NETWORK: seen(200.0)})
    assert until(store.latest) == 900.0


def test_what_lies_in_the_future_is_no_latest_time_any_more_when_rows_have_expired(store: Store[Record]) -> None:
    store.merge(PAIR, {NETWORK: seen(4e9)})
    assert until(store.latest) == 4e9
    store.expire(1000.0)
    until(lambda: store.latest() == 1000.0)
    assert store.read(PAIR) == {NETWORK: seen(4e9)}
    store.merge(OTHER_PAIR, {NETWORK: seen(1001.0)})
    until(lambda: store.latest() == 1001.0)


def test_it_says_how_much_there_is(store: Store[Record]) -> None:
    assert store.sizes() == {"rows": 0, "cached": 0, "pending": 0, "dropped": 0}
    store.merge(PAIR, {NETWORK: seen(100.0), DOMAIN: seen(100.0)})
    until(lambda: store.sizes() == {"rows": 2, "cached": 0, "pending": 0, "dropped": 0})


def test_everything_is_there_once_it_is_written(store: Store[Record]) -> None:
    store.merge(PAIR, {NETWORK: seen(100.0), DOMAIN: seen(170.0)})
    store.merge(OTHER_PAIR, {NETWORK: seen(200.0)})
    found = [(PAIR, NETWORK, seen(100.0)), (PAIR, DOMAIN, seen(170.0)), (OTHER_PAIR, NETWORK, seen(200.0))]
    until(lambda: sorted(store.everything(), key=str) == sorted(found, key=str), "the rows to be written")


def test_every_thread_may_read_and_merge(store: Store[Record]) -> None:
    store.read(PAIR)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(store.merge, PAIR, {NETWORK: seen(100.0)}).result()
        assert pool.submit(store.read, OTHER_PAIR).result() == {}
    assert store.read(PAIR) == {NETWORK: seen(100.0)}


rows = st.builds(
    lambda generation, first_seen, wait: Record(
        generation=generation, first_seen=first_seen, passed_at=None if wait is None else first_seen + wait
    ),
    st.integers(0, 2),
    st.integers(0, 50).map(float),
    st.none() | st.integers(60, 90).map(float),
)
writes = st.lists(
    st.tuples(st.sampled_from([PAIR, OTHER_PAIR]), st.sampled_from([NETWORK, DOMAIN]), rows), min_size=1, max_size=8
)


def kept(store: Store[Record], merges: list[tuple[str, str, Record]]) -> dict[str, dict[str, Record]]:
    for key, group, row in merges:
        store.merge(key, {group: row})
    return {key: dict(store.read(key)) for key in (PAIR, OTHER_PAIR)}


@settings(max_examples=60)
@given(merges=writes, data=st.data())
def test_rows_may_be_merged_late_and_twice_and_in_any_order(
    merges: list[tuple[str, str, Record]], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(merges + data.draw(st.lists(st.sampled_from(merges), max_size=4))))
    expected = kept(MemoryStore(KIND), merges)
    assert kept(MemoryStore(KIND), again) == expected
    with TemporaryDirectory() as folder:
        url, half = f"sqlite:{folder}/rows.sqlite", len(again) // 2
        first = open_store(url, KIND, unexpected)
        kept(first, again[:half])
        first.close()
        second = open_store(url, KIND, unexpected)
        assert kept(second, again[half:]) == expected
        second.close()
        third = open_store(url, KIND, unexpected)
        assert kept(third, []) == expected
        third.close()


def test_rows_in_memory_have_a_cap_and_the_newest_make_room() -> None:
    store = MemoryStore(KIND, max_rows=10)
    passed = Record(generation=0, first_seen=0.0, passed_at=60.0)
    store.merge("passed", {NETWORK: passed})
    for number in range(1, 11):
        store.merge(f"waits {number}", {NETWORK: seen(float(number))})
    assert store.read("passed") == {NETWORK: passed}
    left = [number for number in range(1, 11) if store.read(f"waits {number}")]
    assert left == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert store.sizes() == {"rows": 10, "cached": 0, "pending": 0, "dropped": 1}


def test_rows_that_expired_make_room_in_memory() -> None:
    store = MemoryStore(KIND, max_rows=10)
    for lifetime in (0.0, 5000.0):
        store.expire(lifetime + 1.0)
        for number in range(10):
            store.merge(f"pair {number}", {NETWORK: seen(lifetime)})
    assert all(store.read(f"pair {number}") for number in range(10))


@pytest.mark.parametrize(
    ("url", "path"),
    [("memory:", None), ("sqlite:/var/lib/rows.sqlite", Path("/var/lib/rows.sqlite"))],
)
def test_a_store_is_named_by_a_url(url: str, path: Path | None) -> None:
    assert parse(url) == path


@pytest.mark.parametrize("url", ["", "memory", "memory:/x", "sqlite:", "sqlite:rows.sqlite", "redis://localhost"])
@pytest.mark.parametrize("read", [parse, lambda url: open_store(url, KIND, unexpected)], ids=["parse", "open_store"])
def test_a_url_that_names_no_store_is_refused(url: str, read: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match='neither "memory:" nor "sqlite:" with an absolute path'):
        read(url)
