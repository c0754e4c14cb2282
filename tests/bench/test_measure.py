import math
from collections.abc import Sequence

import pytest

from bench.loads import IN_C, UNLISTED
from bench.measure import Ratio, Report, afterwards, figure, ratio, typical
from bench.target import CPU, MB, MEMORY, RATE, RCPT_LATENCY, Target


def reports(*rates: float) -> list[Report]:
    return [{RATE: rate} for rate in rates]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((12.0,), (10.0,), (1.2, 1.2, 1.2)),
        # Round by round: the ratio of the medians, 200 to 100, would be 2.
        ((100.0, 200.0, 900.0), (100.0, 50.0, 300.0), (3.0, 1.0, 4.0)),
        ((10.0, 30.0), (10.0, 10.0), (2.0, 1.0, 3.0)),
        ((0.0, 0.0, 5.0), (10.0, 10.0, 10.0), (0.0, 0.0, 0.5)),
        ((1.0, 2.0, 3.0), (0.0, 2.0, 1.0), (3.0, 1.0, math.inf)),
        ((1.0,), (0.0,), (math.inf, math.inf, math.inf)),
    ],
)
def test_a_ratio_is_the_median_of_those_within_a_round(
    ours: Sequence[float], theirs: Sequence[float], expected: tuple[float, float, float]
) -> None:
    seen = ratio(reports(*ours), reports(*theirs), RATE)
    assert (seen.median, seen.least, seen.most) == pytest.approx(expected)


def test_rounds_that_have_no_partner_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio(reports(1, 2), reports(1), RATE)


def test_a_round_without_a_figure_does_not_count() -> None:
    assert ratio([*reports(6), {}], reports(2, 2), RATE) == Ratio(median=3, least=3, most=3)
    assert ratio(reports(6, 6), [{}, *reports(3)], RATE) == Ratio(median=2, least=2, most=2)


def test_what_we_may_have_more_is_taken_away_first() -> None:
    assert ratio(reports(160), reports(100), RATE, 60) == Ratio(median=1, least=1, most=1)


def test_without_any_figure_there_is_no_ratio_and_no_target_is_met() -> None:
    nothing = ratio([{}], [{}], RATE)
    assert math.isnan(nothing.median)
    assert not any(Target(against=IN_C, ratio=1, at_most=at_most).met(nothing.median) for at_most in (True, False))


@pytest.mark.parametrize(
    ("at_most", "measured", "met"),
    [(False, 0.8, True), (False, 0.79, False), (True, 0.8, True), (True, 0.81, False), (True, math.inf, False)],
)
def test_a_target_is_met_at_least_or_at_most(at_most: bool, measured: float, met: bool) -> None:  # noqa: FBT001  a table
    assert Target(against=IN_C, ratio=0.8, at_most=at_most).met(measured) is met


def test_a_target_says_what_it_asks_for() -> None:
    assert str(Target(against=IN_C, ratio=0.8)) == "sessions/s at least 0.8x"
    more = Target(against=UNLISTED, ratio=1, metric=MEMORY, at_most=True, less=60 * MB)
    assert str(more) == "memory less 60 MB at most 1x"
    assert str(Target(against=IN_C, ratio=3, metric=RCPT_LATENCY, at_most=True)) == "RCPT p99 at most 3x"


@pytest.mark.parametrize(
    ("report", "value"),
    [({"server": {"cpu_us_per_session": 12}}, 12.0), ({"server": {}}, None), ({}, None)],
)
def test_a_figure_is_found_by_its_path(report: Report, value: float | None) -> None:
    assert figure(report, CPU) == value


def test_what_is_typical_is_the_median_of_the_rounds_that_have_a_figure() -> None:
    assert typical([*reports(1, 9, 2), {}], RATE) == 2
    assert typical([{}], RATE) is None


def test_cpu_time_after_the_runs_is_shared_out_among_their_sessions() -> None:
    runs = [{"sessions": 100, "cpu_seconds_afterwards": 0.02}, {"sessions": 300, "cpu_seconds_afterwards": 0.0}]
    assert afterwards(runs) == pytest.approx(50)
    assert afterwards([{"sessions": 0, "cpu_seconds_afterwards": 0.5}]) == 0
