"""What is bounded, and what it says of what it let go."""

import random

import pytest

from milter64.report.bounded import Times, Top, Waiting


def test_who_is_often_there_stays_however_many_others_come_once() -> None:
    top, chance = Top[str](100), random.Random(1)
    for _ in range(1000):
        top.add([*(f"once{chance.getrandbits(60)}" for _ in range(50)), "often", "often", "rather often"])
    assert top.most(2) == [("often", 2000), ("rather often", 1000)]
    assert len(top) <= 100
    assert top.dropped + sum(count for _, count in top.most(100)) == 53_000


def test_many_of_the_same_rank_are_dropped_rather_than_kept() -> None:
    top = Top[int](10)
    top.add(range(1000))
    assert len(top) <= 10
    assert top.dropped >= 990


def test_who_comes_back_has_waited_since_the_first_time() -> None:
    waiting = Waiting[int](10, window=100.0)
    waiting.begin(1, 1000.0)
    assert 1 in waiting
    assert waiting.end(1, 1060.0) == 60.0
    assert waiting.end(1, 1070.0) is None
    assert waiting.late == 0


@pytest.mark.parametrize(("at", "late"), [(1100.0, 0), (1101.0, 1)])
def test_who_comes_back_too_late_is_counted_as_one_who_did_not(at: float, late: int) -> None:
    waiting = Waiting[int](10, window=100.0)
    waiting.begin(1, 1000.0)
    assert (waiting.end(1, at) is None) is bool(late)
    assert waiting.late == late


def test_whose_time_is_over_is_let_go_in_order() -> None:
    waiting = Waiting[int](10, window=100.0)
    for key in (1, 2, 3):
        waiting.begin(key, key * 50.0)
    assert waiting.expire(201.0) == [1, 2]
    assert (len(waiting), waiting.late) == (1, 2)


def test_for_whom_there_is_no_room_the_oldest_goes_and_is_counted() -> None:
    waiting = Waiting[int](2, window=100.0)
    for key in (1, 2, 3):
        waiting.begin(key, float(key))
    assert (list(waiting), waiting.pushed_out, waiting.late) == ([2, 3], 1, 0)


def test_a_clock_that_was_set_back_makes_nobody_wait_for_less_than_nothing() -> None:
    waiting = Waiting[int](2, window=100.0)
    waiting.begin(1, 50.0)
    assert waiting.end(1, 40.0) == 0.0


def test_times_are_told_to_a_few_percent() -> None:
    times = Times()
    assert times.part(0.5) is None
    for seconds in range(60, 6060):
        times.add(float(seconds))
    assert times.part(0.5) == pytest.approx(3060, rel=0.07)
    assert times.part(0.9) == pytest.approx(5460, rel=0.07)
    assert sum(times.between((0.0, 300.0, 3600.0, float("inf")))) == 6000


def test_times_are_sorted_between_edges() -> None:
    times = Times()
    for seconds in (0.0, 10.0, 1000.0, 1e9):
        times.add(seconds)
    assert times.between((0.0, 60.0, 3600.0, float("inf"))) == (2, 1, 1)
