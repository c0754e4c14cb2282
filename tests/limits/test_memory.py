"""How one budget of memory is divided, and that no cache takes more than its share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.judging.remembered_findings import RememberedFindings, SharedFindings
from milter64.limits.memory import DEFAULT, LEAST_EACH, MIB, Memory, Shares, shares
from milter64.mail.finding import Finding
from rig.envelopes import envelope

CACHES = ("clients", "findings", "answers", "marks", "rows")


def memory(mebibytes: int) -> Memory:
    return Memory(octets=mebibytes * MIB, text=f"{mebibytes}M")


def each(of: Shares) -> list[int]:
    return [getattr(of, cache) for cache in CACHES]


@given(st.integers(2, 99_999), st.integers(1, 1024))
def test_all_workers_together_take_no_more_than_the_budget_or_the_least_for_each(budget: int, workers: int) -> None:
    of = shares(memory(budget), workers)
    assert of.octets <= max(budget * MIB, workers * LEAST_EACH)
    assert of.octets > 0.999 * budget * MIB


@given(st.integers(2, 99_999), st.integers(1, 1024), st.integers(1, 1024))
def test_each_of_fewer_workers_has_as_much_of_each_cache_at_least(budget: int, some: int, others: int) -> None:
    few, many = each(shares(memory(budget), min(some, others))), each(shares(memory(budget), max(some, others)))
    assert all(less <= more for less, more in zip(many, few, strict=True))


def test_sixteen_workers_take_what_two_do() -> None:
    assert shares(DEFAULT, 2).octets == pytest.approx(32 * MIB, rel=1e-5)
    assert shares(DEFAULT, 16).octets == pytest.approx(32 * MIB, rel=1e-5)


def test_below_the_floor_no_cache_shrinks_any_more() -> None:
    floor = each(shares(memory(64), 64 * MIB // LEAST_EACH))
    assert each(shares(memory(64), 1024)) == floor
    assert each(shares(memory(64), 64 * MIB // LEAST_EACH - 1)) > floor


class Answers:
    generation = 0


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 40_000)), max_size=50), st.integers(1, 64))
def test_no_cache_takes_more_than_its_share_whatever_strangers_say(said: list[tuple[int, int]], workers: int) -> None:
    findings = RememberedFindings(Answers(), SharedFindings(shares(memory(2), workers).findings))
    for number, length in said:
        reason = Finding(check="iprev", property="policy.iprev", result="fail", reason="x" * length)
        findings.remember(envelope(f"192.0.2.{number}", "mail.example.org", "a@example.org"), reason, 60)
        taken, capacity = findings.bound
        assert taken <= capacity
    assert not said or findings.bound[0] > 0


def test_at_the_floor_a_worker_remembers_a_few_hundred_findings() -> None:
    findings = RememberedFindings(Answers(), SharedFindings(shares(memory(2), 1).findings))
    clients = [envelope(f"192.0.2.{number}", "mail.example.org", "a@example.org") for number in range(250)]
    found = Finding(check="iprev", property="policy.iprev", result="pass", reason="mail.example.org")
    for client in clients:
        findings.remember(client, found, 60)
    assert [client for client in clients if not findings.recall(client, [found.key])[0]] == []
