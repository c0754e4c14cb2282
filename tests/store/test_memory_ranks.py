"""Which row of a store in memory gives way next."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.row import Record
from milter64.store import memory_store
from milter64.store.memory_ranks import Precedence, Ranks
from milter64.store.memory_store import MemoryStore
from rig.rows import KIND

CAP = 30
BLOCKS = st.integers(0, 3).map(lambda wide: wide << 16) | st.integers(0, 0x3FFFF)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_the_highest_count_is_known_whatever_goes_up_and_down(steps: list[tuple[int, bool]]) -> None:
    ranks, counts = Ranks(), Counter[int]()
    for number, up in steps:
        if up or counts[number]:
            step = 1 if up else -1
            ranks.add(number, step)
            counts[number] += step
        assert len(ranks) == len(+counts)
        if +counts:
            assert counts[ranks.first()] == max(counts.values())


@given(st.lists(BLOCKS, max_size=60), st.integers(0, 40))
def test_those_go_who_hold_the_most_and_of_their_rows_the_newest(blocks: list[int], dropped: int) -> None:
    precedence = Precedence()
    kept = {(str(number), ""): block for number, block in enumerate(blocks)}
    for entry, block in kept.items():
        precedence.wait(entry, block)
    for _ in range(min(dropped, len(blocks))):
        last = precedence.last(100)
        wides = Counter(block >> 16 for block in kept.values())
        block = kept[last]
        assert wides[block >> 16] == max(wides.values())
        counts = Counter(each for each in kept.values() if each >> 16 == block >> 16)
        assert counts[block] == max(counts.values())
        assert last == [entry for entry, each in kept.items() if each == block][-1]
        precedence.drop(last)
        del kept[last]


def test_a_row_that_passes_waits_no_longer_and_one_that_waits_again_has_not_passed() -> None:
    precedence = Precedence()
    for number in range(3):
        precedence.wait((str(number), ""), number)
    precedence.passed(("1", ""))
    precedence.passed(("0", ""))
    assert list(precedence.first()) == [("2", ""), ("1", "")]
    precedence.wait(("1", ""), 1)
    assert list(precedence.first()) == [("2", ""), ("0", "")]
    for entry in ("2", ""), ("1", ""), ("0", ""):
        assert entry in precedence.first()
        precedence.drop(entry)
    assert not list(precedence.first())


MERGES = st.tuples(
    st.integers(0, 40), st.sampled_from(["net:192.0.2.0/24", "net:2001:db8::/64", "spf:d.example"]), st.booleans()
)


@given(st.lists(MERGES, min_size=40, max_size=120))
def test_a_store_has_as_many_rows_as_it_may_and_knows_them_all(merges: list[tuple[int, str, bool]]) -> None:
    store = MemoryStore(KIND, max_rows=CAP)
    wanted = set()
    for at, (number, group, passes) in enumerate(merges):
        store.merge(str(number), {group: Record(generation=0, first_seen=at, passed_at=at if passes else None)})
        wanted.add((number, group))
        rows = sum(len(store.read(str(number))) for number in range(41))
        assert store.sizes()["rows"] == rows <= CAP
    assert rows == CAP or len(wanted) == rows
    store.expire(1e9)
    assert store.sizes()["rows"] == 0


def test_rows_expire_a_few_at_a_time_while_others_have_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    store, left = MemoryStore(KIND), list[int]()
    monkeypatch.setattr(memory_store, "sleep", lambda _: left.append(store.sizes()["rows"]))
    for number in range(1000):
        store.merge(f"pair {number}", {"net:192.0.2.0/24": Record(generation=0, first_seen=number)})
    store.expire(1500.0)
    assert left == [900, 800, 700, 600, 500]
    assert store.sizes()["rows"] == 500
