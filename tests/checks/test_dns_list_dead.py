"""A DNS list that doesn't answer, or refuses: it is soon not asked any more, and delays nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from milter64.checks.dns_list_health import LOOK_EVERY, MOST_FAILURES, PROBE_EVERY
from milter64.dns.unanswered import OutOfMeans
from rig.listhealth import Case, refuses, silent, works
from rig.process import until


@pytest.fixture
def case() -> Case:
    return Case()


@pytest.mark.parametrize(("says", "result", "tries"), [(silent, "temperror", 1), (refuses, "permerror", MOST_FAILURES)])
def test_a_list_that_gives_no_answer_three_times_is_not_asked_but_looked_at_every_ten_seconds(
    case: Case, says: Callable[[str], tuple[str, ...]], result: str, tries: int
) -> None:
    case.admit()
    case.list.says = says
    case.fail(MOST_FAILURES - 1)
    assert case.admit() is None
    case.fail(1)
    trouble = case.admit()
    assert trouble
    assert trouble.result == result
    asked = len(case.list.asked)
    case.clock.advance(PROBE_EVERY - 1)
    case.admit()
    assert len(case.list.asked) == asked
    case.clock.advance(2)
    case.admit()
    assert len(case.list.asked) == asked + tries, "one question, and not one to each of its tests"
    assert case.told == [trouble.reason]
    case.list.says = works
    case.clock.advance(PROBE_EVERY + 1)
    assert case.admit() is None
    assert case.told == [trouble.reason, ""]


def test_nobody_waits_for_a_list_that_is_dead_while_it_is_looked_at(case: Case) -> None:
    gate = Event()
    case.list.says = silent
    case.admit()
    case.list.says = lambda _label: ("127.0.0.2",) if gate.wait(5) else ()
    case.clock.advance(PROBE_EVERY + 1)
    assert case.admitted()
    assert not gate.is_set()
    gate.set()
    case.admit()


def test_answers_between_failures_keep_a_list_awake(case: Case) -> None:
    case.admit()
    asked = len(case.list.asked)
    for _ in range(5):
        case.fail(MOST_FAILURES - 1)
        case.health.answered()
    assert case.admit() is None
    assert len(case.list.asked) == asked, "there was no reason to look"


def test_names_that_strangers_have_chosen_put_no_list_to_sleep_and_get_nobody_around_it(case: Case) -> None:
    case.admit()
    gate = Event()
    case.list.says = lambda label: works(label) if gate.wait(5) else ()
    case.fail()
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(case.admitted) for _ in range(5)]
        until(lambda: all(each.running() for each in others))
        gate.set()
        assert {each.result() for each in others} == {None}
    assert case.told == []


@pytest.mark.parametrize("down", [True, False], ids=["the breaker is open", "it will open in a moment"])
def test_that_no_nameserver_answers_is_not_the_lists_fault(case: Case, *, down: bool) -> None:
    case.admit()
    asked = len(case.list.asked)
    case.list.says = silent
    case.list.down, case.list.lives = down, False
    case.fail()
    assert case.admit() is None
    assert case.told == []
    assert len(case.list.asked) - asked == (0 if down else 1)


def test_a_list_of_whose_nameservers_two_of_three_are_out_of_order_is_looked_at_and_confirms(case: Case) -> None:
    number = count(1)
    case.list.says = lambda label: refuses(label) if next(number) % MOST_FAILURES else works(label)
    assert case.admit() is None
    assert case.confirm() is None
    assert case.told == []


def test_one_look_without_an_answer_puts_no_list_to_sleep(case: Case) -> None:
    case.admit()
    case.list.says = silent
    case.clock.advance(LOOK_EVERY + 1)
    assert case.admit() is None
    assert case.told == []
    for _ in range(MOST_FAILURES):
        case.clock.advance(PROBE_EVERY + 1)
        case.admit()
    assert case.told == ["no answer in time"]


def test_failures_while_a_list_is_looked_at_anyway_need_no_look_of_their_own(case: Case) -> None:
    case.admit()
    gate = Event()
    case.list.says = lambda label: works(label) if gate.wait(5) else ()
    case.clock.advance(LOOK_EVERY + 1)
    case.admitted()
    case.fail()
    assert case.admitted(0.01)
    gate.set()
    assert case.admit() is None


def test_that_we_have_no_sockets_is_not_the_lists_fault(case: Case) -> None:
    case.admit()
    asked = len(case.list.asked)
    for _ in range(MOST_FAILURES):
        case.health.failed(OutOfMeans("too many open files"))
    assert case.admit() is None
    assert len(case.list.asked) == asked


def test_a_list_that_cannot_be_looked_at_first_is_not_asked(case: Case) -> None:
    case.list.says = silent
    trouble = case.admit()
    assert trouble
    assert case.told == [trouble.reason] == ["no answer in time"]


def test_a_first_look_is_waited_for_no_longer_than_one_has_time(case: Case) -> None:
    gate = Event()
    case.list.says = lambda label: works(label) if gate.wait(5) else ()
    trouble = case.admitted(0.01)
    assert trouble
    assert (trouble.result, trouble.reason) == ("temperror", "the first look at it has not been answered yet")
    gate.set()
    assert case.admit() is None
