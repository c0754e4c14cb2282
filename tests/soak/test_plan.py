from random import Random

import pytest

from soak.plan import plan

FAULTS = ["one", "two", "three", "four"]


@pytest.mark.parametrize(("seconds", "rounds"), [(60, 1), (900, 1), (3600, 5)])
def test_each_fault_happens_in_each_round_in_an_order_that_a_seed_repeats(seconds: float, rounds: int) -> None:
    planned = plan(FAULTS, seconds, Random(1))
    assert planned == plan(FAULTS, seconds, Random(1))
    assert planned != plan(FAULTS, seconds, Random(2))
    names = [fault for _, _, fault in planned]
    assert [sorted(names[at : at + 4]) for at in range(0, len(names), 4)] == [sorted(FAULTS)] * rounds


@pytest.mark.parametrize("seconds", [60, 3600])
def test_faults_have_their_time_one_after_another_and_leave_beginning_and_end_calm(seconds: float) -> None:
    planned = plan(FAULTS, seconds, Random(1))
    ends = [0.1 * seconds, *(begin + slot for begin, slot, _ in planned)]
    begins = [*(begin for begin, _, _ in planned), 0.9 * seconds]
    assert all(end <= begin + 1e-6 for end, begin in zip(ends, begins, strict=True))
