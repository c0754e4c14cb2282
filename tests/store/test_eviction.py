"""Who gives way where there are too many rows, in every store."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.row import Record
from milter64.store.eviction import MAX_GROUPS, Counts, Quota, counted, excess, surpluses, united
from milter64.store.interface import Store
from milter64.store.memory_store import MemoryStore
from milter64.store.sqlite_store import SqliteStore
from milter64.store.sqlite_table import Table
from rig.process import until
from rig.rows import KIND

CAP = 200
FLOOD = 1000
PASSED = Record(generation=0, first_seen=10.0, passed_at=90.0)

Make = Callable[[int], Store[Record]]


def seen(at: float) -> Record:
    return Record(generation=0, first_seen=at)


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    stores: list[Store[Record]] = []

    def make(max_rows: int) -> Store[Record]:
        path = tmp_path / "rows.sqlite"
        memory = request.param == "memory"
        store = MemoryStore(KIND, max_rows=max_rows) if memory else SqliteStore(path, KIND, print, max_rows=max_rows)
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


def settled(store: Store[Record], max_rows: int) -> int:
    """Wait until all is written and there is room, and return how many rows there are."""
    until(lambda: store.sizes()["pending"] == 0 and store.sizes()["rows"] <= max_rows)
    return store.sizes()["rows"]


@pytest.mark.parametrize(
    ("flood", "honest"),
    [
        pytest.param("net:2001:db8:{0:x}:{1:x}::/64", "net:192.31.196.0/24", id="a /32, and IPv4"),
        pytest.param("net:2001:db8:{0:x}:{1:x}::/64", "net:2001:db9::/64", id="a /32, and another"),
        pytest.param("net:2001:db8:1:{0:x}::/64", "net:2001:db8:2::/64", id="a /48, and another within the /32"),
        pytest.param("net:2001:db8:1:{0:x}::/64", "net:2001:db8:1:ffff::/64", id="a /48, and who was in it before"),
        pytest.param("net:192.31.{1}.0/24", "net:192.32.196.0/24", id="an IPv4 /16, and another"),
        pytest.param("net:192.31.196.0/24", "net:192.31.197.0/24", id="an IPv4 /24, and another within the /16"),
        pytest.param("spf:d{0}.flood.example", "spf:d1.honest.example", id="a domain's names, and another domain"),
        pytest.param("spf:flood.example", "net:2001:db8::/64", id="a domain, and a network"),
    ],
)
def test_a_flood_pushes_out_itself_and_nobody_else(make: Make, flood: str, honest: str) -> None:
    store = make(CAP)
    for number in range(20):
        store.merge(f"passed {number}", {flood.format(number, number): PASSED})
    store.merge("honest", {honest: seen(100.0)})
    settled(store, CAP)
    for number in range(FLOOD):
        store.merge(f"flood {number}", {flood.format(number, number % 250): seen(200.0 + number)})
        if number == FLOOD // 2:
            store.merge("within", {"net:2001:dba::/64": seen(500.0)})
            settled(store, CAP)
    rows = settled(store, CAP)
    assert rows >= CAP * 8 // 10
    assert store.sizes()["dropped"] == 20 + 1 + 1 + FLOOD - rows
    assert [dict(store.read(f"passed {number}")) for number in range(20)] == [
        {flood.format(number, number): PASSED} for number in range(20)
    ]
    assert store.read("honest") == {honest: seen(100.0)}
    assert store.read("within") == {"net:2001:dba::/64": seen(500.0)}


def test_the_file_never_has_more_rows_than_the_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []

    def merge(table: Table[Record], entries: list[tuple[str, Mapping[str, Record]]]) -> int:
        dropped = actual(table, entries)
        rows.append(table.totals()[0])
        return dropped

    actual = Table.merge
    monkeypatch.setattr(Table, "merge", merge)
    store = SqliteStore(tmp_path / "rows.sqlite", KIND, print, max_rows=CAP)
    for number in range(FLOOD):
        store.merge(f"pair {number}", {"net:192.31.196.0/24": seen(100.0 + number)})
    settled(store, CAP)
    assert max(rows) == CAP
    store.close()


def test_a_row_that_passes_while_others_make_room_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milter64.store.sqlite_table._CHUNK", 1)
    one, other = (Table(tmp_path / "rows.sqlite", KIND, print, patience=1.0) for _ in range(2))
    one.merge([(f"pair {number}", {"net:192.31.196.0/24": seen(10.0)}) for number in range(20)])
    steps = one.make_room(10)
    assert next(step for step in steps if step) == 1  # pair 19 is gone
    other.merge([("pair 18", {"net:192.31.196.0/24": PASSED})])
    list(steps)
    assert one.select("pair 18") == {"net:192.31.196.0/24": PASSED}
    assert not one.select("pair 17")
    one.close()
    other.close()


def test_the_newest_of_a_networks_waiting_rows_go(make: Make) -> None:
    store = make(10)
    for number in range(11):
        store.merge(f"pair {number}", {"net:192.31.196.0/24": seen(100.0 + number)})
    settled(store, 10)
    kept = [number for number in range(11) if store.read(f"pair {number}")]
    assert len(kept) in (9, 10)
    assert kept[:-1] == list(range(len(kept) - 1))  # the last may come when room has been made already


def test_of_passed_rows_beyond_their_share_those_next_to_expire_go(make: Make) -> None:
    store = make(10)
    for number in range(10):
        store.merge(f"passed {number}", {"net:a": Record(generation=0, first_seen=0.0, passed_at=90.0 + number)})
    store.merge("newcomer", {"net:a": seen(100.0)})
    settled(store, 10)
    assert store.read("newcomer") == {"net:a": seen(100.0)}
    kept = [number for number in range(10) if store.read(f"passed {number}")]
    assert kept in (list(range(1, 10)), list(range(2, 10)))  # the last may come when room has been made already


@pytest.mark.parametrize("stranger", ["net:2001:{0:x}::/64", "net:{0}.0.0.0/24", "spf:d{0}.example"])
def test_of_strangers_with_one_row_each_for_a_pair_the_newest_go(make: Make, stranger: str) -> None:
    store = make(100_000)
    store.merge("pair", {"net:192.31.196.0/24": seen(100.0)})
    for number in range(1, 141):
        store.merge("pair", {stranger.format(number): seen(100.0 + number)})
    settled(store, MAX_GROUPS)
    kept = [row.first_seen for row in store.read("pair").values()]
    assert sorted(kept)[:80] == [100.0 + number for number in range(80)]
    store.expire(10_000.0)
    until(lambda: store.sizes()["rows"] == 0)


@pytest.mark.parametrize("networks", [range(250), range(250, 0, -1)], ids=["upwards", "downwards"])
def test_of_strangers_with_one_row_each_in_a_store_the_newest_go(make: Make, networks: range) -> None:
    store = make(CAP)
    for number, network in enumerate(networks):
        store.merge(f"pair {number}", {f"net:{network}.0.0.0/24": seen(100.0 + number)})
        if number % 10 == 0:
            settled(store, CAP)
    assert [number for number in range(250) if store.read(f"pair {number}")][:170] == list(range(170))


def test_a_pair_with_many_groups_keeps_the_few_of_those_that_hold_few(make: Make) -> None:
    store = make(100_000)
    honest = {"net:192.31.196.0/24": seen(100.0), "spf:honest.example": PASSED}
    store.merge("pair", honest)
    settled(store, 100_000)
    for number in range(10 * MAX_GROUPS):
        store.merge("pair", {f"net:2001:db8:{number:x}::/64": seen(100.0 + number)})
        if number % MAX_GROUPS == 0:
            settled(store, 100_000)
        assert len(store.read("pair")) <= MAX_GROUPS
    rows = settled(store, MAX_GROUPS)
    assert store.read("pair").items() >= honest.items()
    assert store.sizes()["dropped"] >= 10 * MAX_GROUPS - rows


@pytest.mark.parametrize(
    ("counts", "surplus", "over"),
    [
        ([], 3, {}),
        ([(1, 5)], 0, {}),
        ([(1, 5)], 2, {1: 2}),
        ([(1, 5), (2, 3)], 2, {1: 2}),
        ([(1, 5), (2, 3)], 4, {1: 3, 2: 1}),
        ([(1, 5), (2, 3)], 3, {1: 3, 2: 0}),
        ([(1, 5), (2, 3), (3, 1)], 9, {1: 5, 2: 3, 3: 1}),
        ([(1, 5), (2, 3)], 100, {1: 5, 2: 3}),
    ],
)
def test_counts_are_cut_to_one_level(counts: Counts, surplus: int, over: dict[int, int]) -> None:
    assert excess(counts, surplus) == over


def test_of_blocks_that_hold_alike_the_first_ones_of_the_order_given_lose() -> None:
    assert excess([(1, 4), (2, 4), (3, 4)], 4) == {1: 2, 2: 1, 3: 1}
    assert excess([(3, 4), (2, 4), (1, 4)], 4) == {3: 2, 2: 1, 1: 1}
    assert counted([7, 5, 7, 9]) == [(7, 2), (5, 1), (9, 1)]


@pytest.mark.parametrize(
    ("rows", "waiting", "gone"),
    [
        pytest.param(1000, 1000, (0, 0), id="no more than the cap"),
        pytest.param(1001, 1000, (0, 100), id="waiting rows, and a tenth of them to spare"),
        pytest.param(1001, 200, (0, 20), id="passed ones within their share stay"),
        pytest.param(1001, 50, (11, 0), id="passed ones beyond their share go"),
        pytest.param(1100, 190, (20, 91), id="both"),
        pytest.param(1001, 0, (11, 0), id="nobody waits"),
    ],
)
def test_how_many_rows_go(rows: int, waiting: int, gone: tuple[int, int]) -> None:
    assert surpluses(rows, waiting, 1000) == gone


@given(
    blocks=st.lists(st.integers(0, 3).map(lambda wide: wide << 16) | st.integers(0, 0x3FFFF), max_size=60),
    surplus=st.integers(0, 70),
)
def test_as_many_go_as_have_to_and_none_of_a_wide_block_that_holds_less_than_another_keeps(
    blocks: list[int], surplus: int
) -> None:
    wides = [block >> 16 for block in blocks]
    quota = Quota(counted(wides), surplus)
    quota.narrow(counted(blocks))
    gone = [block for block in blocks if quota.takes(block)]
    assert len(gone) == min(surplus, len(blocks))
    assert not quota.left
    lost = {wide: sum(block >> 16 == wide for block in gone) for wide in wides}
    kept = {wide: wides.count(wide) - lost[wide] for wide in wides}
    for wide in wides:
        assert not lost[wide] or kept[wide] + 1 >= max(kept.values())


def test_a_pair_that_has_passed_everywhere_forgets_where_it_did_so_first() -> None:
    everywhere = {
        f"net:{number}": Record(generation=0, first_seen=0.0, passed_at=60.0 + number) for number in range(128)
    }
    kept = united(KIND, everywhere, {"net:new": Record(generation=0, first_seen=0.0, passed_at=500.0)})
    assert list(kept) == [f"net:{number}" for number in range(33, 128)] + ["net:new"]


@pytest.mark.parametrize(
    ("group", "same", "wider", "other"),
    [
        pytest.param(
            "net:2001:db8:1:2::/64", "net:2001:db8:1:ffff::/64", "net:2001:db8:2::/64", "net:2001:db9:1::/64", id="IPv6"
        ),
        pytest.param(
            "net:192.31.196.0/24", "net:192.31.196.7/32", "net:192.31.0.0/24", "net:192.32.196.0/24", id="IPv4"
        ),
        pytest.param("spf:a.flood.example", "rdns:a.flood.example", "spf:flood.example", "spf:example.org", id="names"),
    ],
)
def test_a_group_lies_in_a_block_and_that_in_a_wider_one(group: str, same: str, wider: str, other: str) -> None:
    assert KIND.block(group) == KIND.block(same) != KIND.block(wider)
    assert KIND.block(group) >> 16 == KIND.block(wider) >> 16 != KIND.block(other) >> 16


@pytest.mark.parametrize("group", ["net:ffff:ffff:ffff::/64", "net:255.255.255.0/24", "spf:a.example", "net:", "net:a"])
def test_every_group_has_a_block_that_a_database_can_keep(group: str) -> None:
    assert -(1 << 63) <= KIND.block(group) < 1 << 63


def test_a_row_waits_until_it_has_passed() -> None:
    assert KIND.waits(seen(0.0))
    assert not KIND.waits(PASSED)
