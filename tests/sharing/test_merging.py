"""The script that merges rows on the server, with a real one, against what a host makes of the same rows."""

from collections.abc import Iterator
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.row import Record, RecordKind, forget
from milter64.greylist.settings import Settings
from milter64.sharing import row_texts
from milter64.sharing.keys import rows_of
from milter64.sharing.merging import merge
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import Reached

KIND = RecordKind(Settings())
NOW = 1_795_900_000.0
PAIR = "<joe@honest.example> <you@lab.example>"

TIMES = st.integers(-300_000, 300_000).map(lambda milliseconds: NOW + milliseconds / 1000)
SEEN = st.builds(Record, generation=st.integers(0, 3), first_seen=TIMES, passed_at=st.none() | TIMES)
ROWS = SEEN | st.builds(forget, SEEN, TIMES)
GROUPS = st.sampled_from(["net:192.0.2.0/24", "spf:honest.example", "rdns:honest.example"])


@pytest.fixture(scope="module")
def client() -> Iterator[Reached]:
    with Lab() as lab:
        client = Reached(lab.start(Redis).path)
        yield client
        client.close()


def told(client: Reached, key: str = PAIR) -> dict[str, Record]:
    return row_texts.load_hash(client.run("HGETALL", rows_of(key)), 0.0)


@given(copies=st.lists(st.dictionaries(GROUPS, ROWS, min_size=1), min_size=1, max_size=6))
def test_rows_become_on_the_server_what_they_become_here(client: Reached, copies: list[dict[str, Record]]) -> None:
    client.run("FLUSHALL")
    for rows in copies:
        client.run(*merge([(PAIR, rows)], KIND, NOW, 0.0))
    groups = {group for rows in copies for group in rows}
    assert told(client) == {
        group: reduce(KIND.merge, [rows[group] for rows in copies if group in rows]) for group in groups
    }


def test_several_pairs_are_merged_at_once(client: Reached) -> None:
    rows = {f"<a{n}@honest.example> <b@lab.example>": {"net:192.0.2.0/24": row(float(n))} for n in range(50)}
    client.run(*merge(list(rows.items()), KIND, NOW, 0.0))
    assert [told(client, key) for key in rows] == list(rows.values())


def row(ago: float, passed_ago: float | None = None) -> Record:
    return Record(generation=0, first_seen=NOW - ago, passed_at=None if passed_ago is None else NOW - passed_ago)


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [
        ({"net:192.0.2.0/24": row(60)}, 48 * 3600 - 60),
        ({"net:192.0.2.0/24": row(60, 10)}, 36 * 86400 - 10),
        ({"net:192.0.2.0/24": row(60), "spf:honest.example": row(60, 10)}, 36 * 86400 - 10),
        ({"net:192.0.2.0/24": row(49 * 3600)}, 0),
    ],
)
def test_a_pair_lasts_as_long_as_the_longest_of_its_rows(
    client: Reached, rows: dict[str, Record], seconds: int
) -> None:
    client.run("FLUSHALL")
    client.run(*merge([(PAIR, rows)], KIND, NOW, 0.0))
    assert abs(max(0, client.run("PTTL", rows_of(PAIR)) / 1000) - seconds) < 5


def test_a_pair_never_lasts_shorter_than_was_said_before(client: Reached) -> None:
    client.run("FLUSHALL")
    client.run(*merge([(PAIR, {"net:192.0.2.0/24": row(60, 10)})], KIND, NOW, 0.0))
    client.run(*merge([(PAIR, {"spf:honest.example": row(0)})], KIND, NOW, 0.0))
    assert client.run("PTTL", rows_of(PAIR)) > 35 * 86400 * 1000


def test_a_pair_that_many_networks_try_keeps_those_that_pass(client: Reached) -> None:
    client.run("FLUSHALL")
    for n in range(300):
        client.run(*merge([(PAIR, {f"net:198.51.{n}.0/24": row(0)})], KIND, NOW, 0.0))
    client.run(*merge([(PAIR, {"net:192.0.2.0/24": row(60, 0)})], KIND, NOW, 0.0))
    groups = told(client)
    assert len(groups) == 201
    assert "net:192.0.2.0/24" in groups


def test_what_is_no_row_gives_way_to_one(client: Reached) -> None:
    client.run("FLUSHALL")
    client.run("HSET", rows_of(PAIR), "net:192.0.2.0/24", "rubbish")
    client.run(*merge([(PAIR, {"net:192.0.2.0/24": row(60)})], KIND, NOW, 0.0))
    assert told(client) == {"net:192.0.2.0/24": row(60)}
