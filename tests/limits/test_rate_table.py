"""Counters that forked workers share: exact, whoever else is at them, killed over them or stopped."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.limits.rate_table import Counter, RateTable
from rig.forked import forked

HOUR = 3600.0


class Clock:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        self.now = 1_000_000.7

    def __call__(self) -> float:
        return self.now


def counter(table: RateTable, network: str, count: int, period: float = HOUR, limit: int = 0) -> Counter:
    """Return the counter of a network, alone in its block."""
    name, begins = table.place(table.segment(network.encode()), limit, network.encode())
    return Counter(limit=limit, name=name, begins=begins, interval=period / count, period=period)


def taken(table: RateTable, *counters: Counter, attempts: int = 1000) -> int:
    """Return how many of so many attempts were let through."""
    return sum(table.take(counters) is None for _ in range(attempts))


def test_all_that_is_allowed_may_come_at_once_and_the_next_one_an_interval_later() -> None:
    clock = Clock()
    table = RateTable(clock=clock)
    one = counter(table, "192.0.2.0/24", 60)
    assert taken(table, one) == 60
    assert table.take([one]) == (one, 60)
    clock.now += 59
    assert table.take([one]) == (one, 1)
    clock.now += 0.5
    assert table.take([one]) == (one, 1), "and never 0"
    clock.now += 0.5
    assert taken(table, one) == 1
    clock.now += 2 * HOUR
    assert taken(table, one) == 60, "nothing is saved up"


@given(
    st.integers(1, 50),
    st.floats(0.1, 1e6),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 80)), max_size=30),
)
def test_a_counter_is_a_bucket_that_leaks(count: int, period: float, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    table = RateTable(2**16, clock)
    one = counter(table, "n", count, period)
    free = float(count)
    for pause, attempts in steps:
        clock.now += pause * period
        free = min(float(count), free + pause * count)
        through = taken(table, one, attempts=attempts)
        assert min(attempts, int(free - 0.01)) <= through <= min(attempts, int(free + 0.01))
        free -= through


def test_the_longest_wait_of_several_counters_is_told_and_then_none_of_them_counts() -> None:
    table = RateTable(clock=Clock())
    wide = [counter(table, "a", count, limit=limit) for limit, count in enumerate((10, 5, 100))]
    assert taken(table, *wide) == 5
    assert table.take(wide) == (wide[1], 720)
    assert taken(table, wide[0]) == 5
    assert taken(table, wide[2]) == 95
    assert table.take(wide) == (wide[1], 720)


def test_a_counter_that_is_only_looked_at_does_not_count() -> None:
    table = RateTable(clock=Clock())
    one, other = counter(table, "a", 3), counter(table, "a", 10, limit=1)
    seen = Counter(limit=0, name=one.name, begins=one.begins, interval=one.interval, period=HOUR, takes=False)
    assert taken(table, other, seen, attempts=5) == 5
    assert table.bound[0] == 1
    assert taken(table, one) == 3
    assert table.take([other, seen]) == (seen, 1200)


@pytest.mark.parametrize(
    ("before", "used", "after", "left"),
    [
        ((60, HOUR), 50, (60, HOUR), 10),
        ((60, HOUR), 10, (100, HOUR), 90),
        ((60, HOUR), 10, (20, HOUR), 10),
        ((60, HOUR), 60, (10, HOUR), 0),
        ((60, HOUR), 60, (1, 60.0), 0),
        ((60, HOUR), 30, (60, 60.0), 30),
        ((10, 60.0), 5, (10, 24 * HOUR), 5),
    ],
)
def test_another_limit_forgets_nothing_of_what_was_taken(
    before: tuple[int, float], used: int, after: tuple[int, float], left: int
) -> None:
    table = RateTable(clock=Clock())
    assert taken(table, counter(table, "a", *before), attempts=used) == used
    one = counter(table, "a", *after)
    assert taken(table, one) == left
    assert table.take([one]) == (one, after[1] / after[0]), "nobody waits for more than the first one to be made up for"


def test_a_name_that_is_only_the_end_of_one_and_the_beginning_of_the_next_is_nobodys() -> None:
    table = RateTable(clock=Clock())
    first, second = (
        Counter(limit=0, name=name, begins=32768, interval=1.0, period=1.0) for name in (b"abcdefgh", b"ijklmnop")
    )
    between = Counter(limit=0, name=b"efghijkl", begins=32768, interval=1.0, period=1.0)
    assert taken(table, first, second) == 1
    assert taken(table, between) == 1
    assert table.bound[0] == 3


def test_processes_count_together() -> None:
    table = RateTable()
    one, other = counter(table, "a", 1000, 1e6), counter(table, "a", 3000, 1e6, limit=1)

    def take() -> bytes:
        return str(taken(table, one, other)).encode()

    through = sum(map(int, forked(4, take)))
    assert 1000 <= through <= 1000 * 1.1, "one who isn't let run while he counts is not waited for"
    assert taken(table, other, attempts=3000) == 2000


@contextmanager
def child(work: Callable[[int], None]) -> Iterator[None]:
    """Have a process at its work meanwhile, and kill it in the end: `work` is given a file to say that it has begun."""
    out, into = os.pipe()
    if not (pid := os.fork()):
        try:
            work(into)
        finally:
            os._exit(1)
    try:
        os.close(into)
        assert os.read(out, 1)
        yield
    finally:
        os.close(out)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_who_is_killed_over_it_costs_others_nothing() -> None:
    table = RateTable()
    counters = [[counter(table, f"{n}", 1000, 1e6, limit) for limit in range(3)] for n in range(50)]

    def hammer(into: int) -> None:
        os.write(into, b"x")
        while True:
            for each in counters:
                table.take(each)

    for _ in range(20):
        with child(hammer):
            for each in counters:
                table.take(each)
    for each in counters:
        taken(table, *each)
        used_up = table.take(each)
        assert used_up
        assert used_up[1] <= 1000
    assert table.bound[0] == 150


def test_who_is_stopped_over_it_keeps_nobody_waiting() -> None:
    table = RateTable(2**16)  # one segment
    one = counter(table, "a", 1)
    assert taken(table, one) == 1

    def hold(into: int) -> None:
        assert table._locked(1)  # noqa: SLF001  as in the midst of counting
        os.write(into, b"x")
        signal.pause()

    with child(hold):
        assert table.take([one]) is None
    assert table.take([one]) is None, "only now it is seen that he is dead"
    assert [table.take([one]) for _ in range(2)] == [(one, 3600)] * 2


def test_two_who_take_a_third_for_dead_do_no_harm() -> None:
    table = RateTable(2**16)
    one = counter(table, "a", 3)
    assert table._locked(1)  # noqa: SLF001  as in the midst of counting
    for _ in range(3):
        table._unlock(1)  # noqa: SLF001  of whom one alone holds it
    assert taken(table, one) == 3
    assert table._locked(1)  # noqa: SLF001
    assert not table._locked(1)  # noqa: SLF001


def told(table: RateTable, *counters: Counter) -> list[tuple[int, float]]:
    return [(untold, round(seconds, 6)) for untold, seconds in table.tell(counters)]


def test_only_a_share_is_taken_before_others_are_told() -> None:
    table = RateTable(clock=Clock())
    wide, one = counter(table, "a", 300), counter(table, "a", 60, limit=1)
    for _ in range(2):
        assert [table.take([wide, one], 0.05) for _ in range(4)] == [None, None, None, (one, 0)]
        assert [untold for untold, _ in table.tell([wide, one])] == [3, 3]
    assert told(table, wide, one) == [(0, 6 * 12), (0, 6 * 60)]
    assert table.take([counter(table, "b", 19)], 0.05) == (counter(table, "b", 19), 0), "one is more than that"
    assert taken(table, one) == 54, "who is asked about has not been counted"


def test_where_a_third_is_taken_others_are_asked_however_long_ago_they_were_told() -> None:
    clock = Clock()
    table = RateTable(clock=clock)
    one = counter(table, "a", 60)
    assert taken(table, one, attempts=20) == 20
    assert table.take([one], 0.5) == (one, 0)
    clock.now += HOUR / 60
    assert [table.take([one], 0.5) for _ in range(2)] == [None, (one, 0)]
    assert taken(table, one) == 40
    assert table.take([one], 0.5) == (one, 60), "and where it is used up, nobody is"


def test_nothing_is_taken_without_asking_where_the_share_is_nothing() -> None:
    table = RateTable(clock=Clock())
    one = counter(table, "a", 60)
    seen = Counter(limit=0, name=one.name, begins=one.begins, interval=one.interval, period=HOUR, takes=False)
    assert table.take([seen], 0.0) == (seen, 0)
    assert table.take([one], 0.0) == (one, 0)
    assert taken(table, one) == 60


def test_what_has_been_made_up_for_is_not_told_any_more() -> None:
    clock = Clock()
    table = RateTable(clock=clock)
    one = counter(table, "a", 60)
    for _ in range(5):
        assert table.take([one], 0.5) is None
    clock.now += 2.5 * one.interval
    assert told(table, one) == [(3, 150.0)]
    assert table.take([one], 0.5) is None
    clock.now += HOUR
    assert table.tell([one]) == [(0, 0.0)]
    assert table.take([one], 0.5) is None
    assert told(table, counter(table, "a", 600)) == [(1, 6.0)], "with other limits than it was taken by"


def test_a_counter_is_put_off_to_what_others_say_and_never_brought_forward() -> None:
    table = RateTable(clock=Clock())
    one, other, lacking = (counter(table, "a", 60, limit=limit) for limit in range(3))
    for _ in range(10):
        assert table.take([one, other], 0.5) is None
    table.tell([one])
    table.put_off([one, other, lacking], [30 * 60.0, 5 * 60.0, 0.0])
    assert table.bound[0] == 2, "what others say is nothing takes no room"
    assert (taken(table, one), taken(table, other)) == (30, 45), "of which ten had not been told, and came on top"
    table.put_off([one, lacking], [60.0, 59 * 60.0])
    assert (taken(table, one), taken(table, lacking)) == (0, 1)
