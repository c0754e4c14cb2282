"""A replay's rows are those that a service would have, as long as there is room."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.replay.past_rows import PastRows
from milter64.store.memory_store import MemoryStore

KIND = RecordKind(Settings())
TIMES = st.integers(0, 5).map(float)
RECORDS = st.builds(Record, generation=st.integers(0, 1), first_seen=TIMES, passed_at=st.none() | TIMES)
MERGES = st.tuples(
    st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(["net:", "spf:"]), RECORDS, min_size=1, max_size=2)
)


def waiting(rows: PastRows, key: str) -> None:
    rows.merge(key, {"net:": Record(generation=0, first_seen=1.0)})


def passed(rows: PastRows, key: str) -> None:
    rows.merge(key, {"net:": Record(generation=0, first_seen=1.0, passed_at=2.0)})


@given(st.lists(MERGES, max_size=20))
def test_they_are_merged_as_any_store_does_it(merges: list[tuple[str, dict[str, Record]]]) -> None:
    rows, store = PastRows(KIND), MemoryStore(KIND)
    for key, some in merges:
        rows.merge(key, some)
        store.merge(key, some)
    assert sorted(map(repr, rows.everything())) == sorted(map(repr, store.everything()))
    assert [rows.read(key) for key in "abc"] == [store.read(key) for key in "abc"]


def test_those_that_wait_go_by_their_coming_and_push_out_none_that_has_passed() -> None:
    rows = PastRows(KIND, most=8)
    passed(rows, "passed")
    for number in range(100):
        waiting(rows, f"waits {number}")
        assert len(list(rows.everything())) <= rows.caps["rows"]
    assert [bool(rows.read(key)) for key in ("passed", "waits 0", "waits 99")] == [True, False, True]
    assert rows.sizes()["dropped"] == 101 - rows.sizes()["rows"]


def test_a_pair_that_waits_by_several_groups_is_one_of_those_that_wait() -> None:
    rows, began = PastRows(KIND, most=9), Record(generation=0, first_seen=1.0)
    for number in range(9):
        rows.merge(f"waits {number}", {"net:": began, "rdns:": began})
    assert [rows.read(f"waits {number}") for number in range(9)] == [{"net:": began, "rdns:": began}] * 9
    assert rows.sizes()["dropped"] == 0


def test_of_those_that_have_passed_the_one_that_has_not_changed_for_longest_goes() -> None:
    rows = PastRows(KIND, most=12)
    for key in ("often", "once", *(f"other {number}" for number in range(3))):
        passed(rows, key)
        passed(rows, "often")
    assert (bool(rows.read("often")), bool(rows.read("once"))) == (True, False)


def test_of_a_key_with_many_rows_each_counts() -> None:
    rows = PastRows(KIND, most=60)
    for key in "abcdef":
        rows.merge(key, {f"net:{number}": Record(generation=0, first_seen=1.0, passed_at=2.0) for number in range(9)})
        assert len(list(rows.everything())) == rows.sizes()["rows"] <= 20
    assert (bool(rows.read("a")), bool(rows.read("f")), rows.sizes()["dropped"]) == (False, True, 36)


def test_what_has_run_out_is_neither_read_nor_added_to() -> None:
    rows, settings = PastRows(KIND), Settings()
    waiting(rows, "waits")
    began = Record(generation=0, first_seen=1.0)
    rows.merge("both", {"net:": replace(began, passed_at=2.0), "spf:": began})
    rows.now = 1.0 + settings.retry_window
    assert (len(rows.read("waits")), len(rows.read("both"))) == (1, 2)
    rows.now += 1.0
    assert (rows.read("waits"), list(rows.read("both"))) == ({}, ["net:"])
    again = Record(generation=0, first_seen=rows.now)
    for key in ("waits", "both"):
        rows.merge(key, {"net:other": again})
    assert (rows.read("waits"), list(rows.read("both"))) == ({"net:other": again}, ["net:", "net:other"])
    rows.now += settings.remember
    assert list(rows.everything()) == []


def test_who_begins_to_wait_again_goes_by_that() -> None:
    rows = PastRows(KIND, most=3)
    for key in ("again", "once"):
        waiting(rows, key)
    rows.now = 2.0 + Settings().retry_window
    for key in ("again", "new", "newer"):
        rows.begin(key, rows.now, "net:")
    assert [bool(rows.read(key)) for key in ("again", "new", "newer")] == [True, True, True]


def test_what_had_run_out_when_it_went_was_not_forgotten_for_want_of_room() -> None:
    rows = PastRows(KIND, most=3)
    for number in range(100):
        rows.now = 2.0 * number * Settings().retry_window
        rows.begin(f"waits {number}", rows.now, "net:")
        rows.merge(f"both {number}", {"net:": Record(generation=1, first_seen=rows.now)})
    assert rows.sizes()["dropped"] == 0
