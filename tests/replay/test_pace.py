"""Questions to DNS are asked no faster than one wants."""

from itertools import pairwise

from milter64.replay.pace import Pace


class Hours:
    """A clock that goes on by what is slept, and otherwise when told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_who_has_asked_much_rests_for_as_long_as_that_takes() -> None:
    hours = Hours()
    pace = Pace(20.0, hours, hours.sleep)
    asked = [0, 4, 4, 24]
    for total in asked:
        pace.rest(total)
    assert [round(rest, 6) for rest in hours.slept] == [(b - a) / 20 for a, b in pairwise(asked) if b > a]


def test_time_that_went_by_unused_is_no_credit() -> None:
    hours = Hours()
    pace = Pace(20.0, hours, hours.sleep)
    hours.now += 3600
    pace.rest(20)
    assert hours.slept == [1.0]
