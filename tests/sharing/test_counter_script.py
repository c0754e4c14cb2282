"""The script that counts on the server, against the table that counts on a host."""

from collections.abc import Iterator
from contextlib import closing
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.limits.rate_table import Counter, RateTable
from milter64.sharing import counter_script
from milter64.sharing.counter_script import Answer, Told, answer, command
from rig.counting_hosts import Time, standing_script
from rig.redis import Redis
from rig.sharing import Reached

_LIMITS = [(1, 10), (3, 10), (10, 60), (10, 600), (5, 600), (60, 3600)]
"""Counts and periods, so short that some run out while others are used up."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    """A server whose time a test puts forward."""
    with (
        pytest.MonkeyPatch.context() as patch,
        Redis(tmp_path_factory.mktemp("script") / "redis") as server,
        closing(Reached(server.path)) as servers,
    ):
        patch.setattr(counter_script, "SCRIPT", standing_script())
        yield servers


def counter(table: RateTable, which: int, count: int, period: float, *, takes: bool = True) -> Counter:
    name, begins = table.place(1, which, bytes((which,)))
    known_as = f"{{b}}:{which}"
    interval = period / count
    return Counter(
        limit=which, name=name, begins=begins, interval=interval, period=period, takes=takes, known_as=known_as
    )


def told(servers: Reached, *news: Told, asks: bool = False) -> Answer:
    found = answer(servers.run(*command(news, asks=asks)), len(news))
    assert found
    return found


_Decision = list[tuple[int, tuple[int, int], bool]]
"""Of each counter which, the limit that it is to be kept by, and whether it takes."""
decisions = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(_LIMITS), st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each[0],
)


@given(st.lists(st.tuples(st.integers(0, 20), decisions, st.integers(1, 12)), max_size=20))
def test_the_same_takes_have_the_same_answers_as_in_a_table(
    servers: Reached, steps: list[tuple[int, _Decision, int]]
) -> None:
    servers.run("FLUSHALL")
    time = Time(servers)
    table = RateTable(2**16, time)
    for pause, decision, times in steps:
        time.pass_by(pause)
        counters = [counter(table, which, *limit, takes=takes) for which, limit, takes in decision]
        for _ in range(times):
            here = table.take(counters)
            there = told(servers, *[Told(each, 0, 0.0) for each in counters], asks=True)
            known = [min(until, each.period) for each, (_, until) in zip(counters, table.tell(counters), strict=True)]
            assert there.seconds == pytest.approx(known, rel=1e-6, abs=1e-4)
            assert bool(there.wait) == bool(here)
            if here:
                waits = [until + each.interval - each.period for each, until in zip(counters, known, strict=True)]
                assert there.wait == pytest.approx(max(waits), abs=1e-4)
                assert waits[there.used_up] == pytest.approx(there.wait, abs=1e-4), "or it is another as long"
                assert max(1, ceil(there.wait - 1e-4)) <= here[1] <= max(1, ceil(there.wait + 1e-4))


def test_what_was_taken_behind_counts_from_the_later_of_what_server_and_host_know(servers: Reached) -> None:
    servers.run("FLUSHALL")
    time = Time(servers)
    one = counter(RateTable(2**16), 0, 10, 600)
    assert told(servers, Told(one, 2, 120.0)).seconds == [120.0]
    assert told(servers, Told(one, 3, 180.0)).seconds == [300.0], "of two hosts"
    assert told(servers, Told(one, 1, 420.0)).seconds == [420.0], "of one that knows of more"
    assert told(servers, Told(one, 9, 60.0)).seconds == [600.0], "and no more than anybody can have taken"
    servers.run("FLUSHALL")
    time.pass_by(100.0)
    assert told(servers, Told(one, 0, 500.0)).seconds == [500.0]
    assert told(servers, Told(one, 0, 0.0), asks=True).seconds == [560.0]


def test_a_counter_lasts_until_all_is_made_up_for_and_who_only_looks_makes_none(servers: Reached) -> None:
    servers.run("FLUSHALL")
    Time(servers)
    table = RateTable(2**16)
    one, seen = counter(table, 0, 10, 600), counter(table, 1, 10, 600, takes=False)
    assert told(servers, Told(one, 0, 0.0), Told(seen, 0, 0.0), asks=True).seconds == [60.0, 0.0]
    told(servers, Told(seen, 0, 0.0))
    assert 59_000 < servers.run("PTTL", counter_script.key(one)) <= 60_000
    assert servers.run("EXISTS", counter_script.key(seen)) == 0


@pytest.mark.parametrize("reply", [None, 1, b"OK", [], [0, 0], [0, 0, 0, 0], [0, 0, b"x"], RuntimeError("WRONGTYPE")])
def test_what_is_no_answer_is_none(reply: object) -> None:
    assert answer(reply, 1) is None
