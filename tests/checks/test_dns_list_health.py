"""When a DNS list can be believed: RFC 5782 5, and one that lists everybody from one moment to the next."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from milter64.checks.dns_list_health import LOOK_EVERY, Health
from milter64.checks.dns_list_kinds import IPV4, IPV6, NAMES, Kind
from milter64.dns.lookup import asked_alone
from rig.listhealth import ZONE, Case, everybody, silent, works
from rig.process import until


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_list_is_looked_at_before_it_is_asked_and_then_once_an_hour(case: Case) -> None:
    assert case.admit() is None
    fresh, address, listed, unlisted = case.list.asked
    assert (listed, unlisted) == ("2.0.0.127", "1.0.0.127")
    assert fresh[0] == "x"
    assert address.endswith(".127")
    case.clock.advance(LOOK_EVERY - 1)
    case.admit()
    assert len(case.list.asked) == 4
    case.clock.advance(2)
    assert case.admit() is None
    assert len(case.list.asked) == 8
    assert case.told == []


@pytest.mark.parametrize(
    ("kind", "entries", "reason"),
    [
        (IPV4, {}, "it doesn't list 127.0.0.2"),
        (IPV4, {"2.0.0.127": ("127.0.0.2",), "1.0.0.127": ("127.0.0.2",)}, "it lists 127.0.0.1"),
        (IPV4, {"2.0.0.127": ("127.255.255.254",)}, "it answers 127.255.255.254: "),
        (IPV4, {"2.0.0.127": ("192.0.2.80",)}, "it answers 192.0.2.80, as no list does"),
        (IPV6, {IPV6.listed[0]: ("127.0.0.2",), IPV6.unlisted: ("127.0.0.2",)}, "it lists ::ffff:127.0.0.1"),
        (NAMES, {}, "it doesn't list TEST or 127.0.0.2"),
        (NAMES, {"test": ("127.0.0.2",), "invalid": ("127.0.0.2",)}, "it lists INVALID"),
    ],
)
def test_a_list_whose_test_entries_are_wrong_counts_for_nothing_and_says_so_hourly(
    kind: Kind, entries: dict[str, tuple[str, ...]], reason: str
) -> None:
    case = Case(kind)
    case.list.says = lambda label: entries.get(label, ())
    for hours in (1, 2):
        trouble = case.admit()
        assert trouble
        assert trouble.result == "permerror"
        assert trouble.reason.startswith(reason)
        assert case.told == [trouble.reason] * hours
        case.clock.advance(LOOK_EVERY - 1)
        assert case.admit() is trouble
        case.clock.advance(2)
    case.list.says = works
    assert case.admit() is None
    assert case.told[2:] == [""]


def test_a_list_of_names_that_has_addresses_too_may_have_the_test_entry_of_those_alone() -> None:
    case = Case(NAMES)
    case.list.says = lambda label: ("127.0.0.14",) if label == "2.0.0.127" else ()
    assert case.admit() is None
    assert case.told == []


def test_a_list_may_have_no_ipv6_addresses_which_is_no_trouble() -> None:
    case = Case(IPV6)
    case.list.says = lambda _label: ()
    trouble = case.admit()
    assert trouble
    assert (trouble.result, trouble.reason, case.told) == ("none", "it has no IPv6 addresses", [])


@pytest.mark.parametrize("kind", [IPV4, IPV6, NAMES])
def test_an_answer_counts_once_a_name_that_nobody_knows_was_found_not_listed_since_it_came(kind: Kind) -> None:
    case = Case(kind)
    case.admit()
    asked = len(case.list.asked)
    assert case.confirm() is None
    assert case.confirm() is None
    fresh = case.list.asked[asked:]
    assert len(set(fresh)) == len(fresh) == 2 * len(kind.fresh())


@pytest.mark.parametrize("kind", [IPV4, IPV6, NAMES])
def test_an_answer_of_a_list_that_says_yes_to_all_does_not_count_nor_any_other_for_an_hour(kind: Kind) -> None:
    case = Case(kind)
    case.admit()
    case.list.says = everybody
    trouble = case.confirm()
    assert trouble
    assert trouble.result == "permerror"
    case.list.says = works  # what was answered meanwhile may stand in caches
    assert case.admit() is trouble
    case.clock.advance(LOOK_EVERY - 1)
    assert case.admit() is trouble
    case.clock.advance(2)
    assert case.admit() is None
    assert case.told == [trouble.reason, ""]


@pytest.mark.parametrize("below_127", [True, False], ids=["by 0.0.0.0/0", "by a wildcard that entries below 127 stop"])
def test_each_way_of_listing_everybody_is_found_out(case: Case, *, below_127: bool) -> None:
    case.admit()
    case.list.says = lambda label: ("127.0.0.2",) if label.endswith(".127") is below_127 else ()
    assert case.confirm()


def test_all_who_come_while_a_probe_is_under_way_share_the_next_one(case: Case) -> None:
    case.admit()
    begun, gate = Event(), Event()

    def waits(label: str) -> tuple[str, ...]:
        begun.set()
        assert gate.wait(5)
        return works(label)

    case.list.says = waits
    asked = len(case.list.asked)
    with ThreadPoolExecutor(50) as pool:
        first = pool.submit(case.confirm)
        assert begun.wait(5)
        others = [pool.submit(case.confirm) for _ in range(49)]
        until(lambda: all(each.running() for each in others))
        gate.set()
        assert [first.result(), *(each.result() for each in others)] == [None] * 50
    probes = (len(case.list.asked) - asked) / 2
    assert 2 <= probes <= 5


def test_nobody_whose_probe_is_over_waits_for_the_next_one(case: Case) -> None:
    case.admit()
    gates, begun = [Event() for _ in range(3)], [Event() for _ in range(3)]
    number = count()

    def gated(label: str) -> tuple[str, ...]:
        if label[0] == "x":
            each = next(number)
            begun[each].set()
            assert gates[each].wait(5)
        return works(label)

    case.list.says = gated
    with ThreadPoolExecutor(60) as pool:
        first = pool.submit(case.confirm)
        assert begun[0].wait(5)
        second = [pool.submit(case.confirm) for _ in range(30)]
        until(lambda: all(each.running() for each in second))
        gates[0].set()
        assert begun[1].wait(5)
        third = [pool.submit(case.confirm) for _ in range(20)]
        until(lambda: all(each.running() for each in third))
        gates[1].set()
        assert begun[2].wait(5)
        assert {first.result(5), *(each.result(5) for each in second)} == {None}
        assert not any(each.done() for each in third)
        gates[2].set()


def test_many_wrong_answers_at_once_are_said_once(case: Case) -> None:
    case.admit()
    first = case.health.condemn("it answers 127.0.0.1, as no list does")
    assert case.health.condemn("it answers 192.0.2.1, as no list does") is first
    assert case.told == [first.reason]


def test_a_probe_without_an_answer_confirms_nothing(case: Case) -> None:
    case.admit()
    case.list.says = silent
    trouble = case.confirm()
    assert trouble
    assert (trouble.result, trouble.reason) == ("temperror", "no answer in time")
    assert case.told == []


def test_a_look_that_was_begun_before_a_list_was_found_out_does_not_clear_it(case: Case) -> None:
    case.admit()
    begun, gate = Event(), Event()

    def slow(label: str) -> tuple[str, ...]:
        begun.set()
        assert gate.wait(5)
        return works(label)

    case.list.says = slow
    case.clock.advance(LOOK_EVERY + 1)
    assert case.admitted() is None
    assert begun.wait(5)
    trouble = case.health.condemn("it answers 127.0.0.1, as no list does")
    gate.set()
    assert case.admit() is trouble


def test_nobody_waits_for_what_is_known_of_a_list(case: Case) -> None:
    case.list.says = everybody
    trouble = case.admit()
    with pytest.raises(StopIteration) as over:
        next(case.health.admit(time.monotonic() + 5))
    assert over.value.value is trouble


def test_a_report_that_fails_harms_nobody(case: Case) -> None:
    def fails(_why: str) -> None:
        raise OSError

    health = Health(ZONE, IPV4, case.list, 1.0, fails, case.clock)
    case.list.says = everybody
    assert asked_alone(health.admit(time.monotonic() + 5), case.list)


def test_no_key_is_in_anything_that_is_told(case: Case) -> None:
    case.list.says = everybody
    trouble = case.admit()
    assert trouble
    assert "s3cr3tk3y" not in repr((trouble, case.told))
