"""What a group earns by passing often, and how it is lost."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.greylist.wave_through import (
    MOST_RECIPIENTS,
    Rows,
    counted,
    credit,
    discredit,
    earned,
    exact_network,
    register,
    sender_group,
    written,
)
from rig.envelopes import TRANSLATOR

DAY = 86400.0
T0 = 1_000_000.0
SETTINGS = Settings(wave_through=3, wave_over=2 * DAY)
KIND = RecordKind(Settings())


def merged(*copies: Rows) -> Rows:
    rows: dict[str, Record] = {}
    for copy in copies:
        for group, row in copy.items():
            rows[group] = KIND.merge(rows[group], row) if group in rows else row
    return rows


def passings(*days_and_recipients: tuple[float, str]) -> Rows:
    rows: Rows = {}
    for day, recipient in days_and_recipients:
        rows = merged(rows, credit(rows, recipient, T0 + day * DAY, SETTINGS))
    return rows


A, B, C = "ann@lab.example", "bob@lab.example", "carla@lab.example"


@pytest.mark.parametrize(
    ("rows", "wave"),
    [
        (passings(), False),
        (passings((0, A), (1, B), (2, C)), True),
        (passings((0, A), (0, B), (0, C), (2, A)), True),
        (passings((0, A), (1, B), (1.9, C)), False),
        (passings((0, A), (2, B)), False),
        (passings((0, A), (1, A), (2, A)), False),
        (passings((0, A), (1, "Ann@lab.example"), (2, "ann+list@lab.example")), False),
    ],
    ids=["nobody", "three over two days", "seen again", "too soon", "too few", "one alone", "one by three names"],
)
def test_it_takes_so_many_recipients_over_so_much_time(rows: Rows, *, wave: bool) -> None:
    assert earned(rows, T0 + 2 * DAY, SETTINGS) is wave


def test_bad_behaviour_costs_all_that_was_earned_and_it_can_be_earned_again() -> None:
    rows = passings((0, A), (1, B), (2, C))
    rows = merged(rows, discredit(rows, T0 + 2 * DAY, SETTINGS))
    assert not earned(rows, T0 + 2 * DAY, SETTINGS)
    for day, recipient in ((2.1, A), (3, B), (3.5, C)):
        rows = merged(rows, credit(rows, recipient, T0 + day * DAY, SETTINGS))
        assert not earned(rows, T0 + day * DAY, SETTINGS)
    rows = merged(rows, credit(rows, A, T0 + 4.2 * DAY, SETTINGS))
    assert earned(rows, T0 + 4.2 * DAY, SETTINGS)


def test_what_is_earned_anew_lasts_and_can_be_lost_though_the_bad_behaviour_before_is_forgotten() -> None:
    rows = merged(passings((0, A)), discredit(passings((0, A)), T0, SETTINGS))
    for day, recipient in ((1, A), (2, B), (3, C)):
        rows = merged(rows, credit(rows, recipient, T0 + day * DAY, SETTINGS))
    rows = {name: row for name, row in rows.items() if name != "lost"}  # it has run out
    rows = merged(rows, credit(rows, A, T0 + 37 * DAY, SETTINGS))
    assert earned(rows, T0 + 70 * DAY, SETTINGS)
    assert not earned(merged(rows, discredit(rows, T0 + 70 * DAY, SETTINGS)), T0 + 70 * DAY, SETTINGS)


def test_who_has_just_begun_or_has_lost_it_is_in_no_register() -> None:
    settings, rows = Settings(), passings((0, A), (1, B), (2, C))
    for before, news in (({}, passings((0, A))), (rows, discredit(rows, T0 + 2 * DAY, settings)), (rows, {})):
        assert register("spf:a.example") not in dict(written("spf:a.example", before, news, settings))


def test_who_has_nothing_to_lose_costs_no_row() -> None:
    assert discredit({}, T0, SETTINGS) == {}
    rows = passings((0, A))
    rows = merged(rows, discredit(rows, T0, SETTINGS))
    assert discredit(rows, T0 + 1, SETTINGS) == {}


def test_a_recipient_is_noted_once_an_hour() -> None:
    rows = passings((0, A))
    assert credit(rows, A, T0 + 3599, SETTINGS) == {}
    assert credit(rows, A, T0 + 3601, SETTINGS) != {}


def test_silence_ends_it_though_nobody_has_looked_for_rows_that_have_run_out() -> None:
    rows = passings((0, A), (1, B), (2, C))
    assert earned(rows, T0 + 38 * DAY, SETTINGS)
    assert not earned(rows, T0 + 38.1 * DAY, SETTINGS)
    assert not counted(rows, T0 + 38.1 * DAY, SETTINGS)
    assert discredit(rows, T0 + 38.1 * DAY, SETTINGS) == {}


def test_workers_that_count_the_last_recipients_at_once_come_to_the_same() -> None:
    rows = passings((0, A))
    at_once = [credit(rows, recipient, T0 + 2 * DAY, SETTINGS) for recipient in (B, C)]
    assert earned(merged(rows, *at_once), T0 + 2 * DAY, SETTINGS)
    assert not earned(merged(rows, at_once[0]), T0 + 2 * DAY, SETTINGS)
    assert all(register("spf:a.example") in dict(written("spf:a.example", rows, news, SETTINGS)) for news in at_once)
    apart = [credit({}, recipient, T0, SETTINGS) for recipient in (A, B, C)]
    assert not earned(merged(*apart), T0 + 2 * DAY, SETTINGS), "nor is it earned by waiting"


def test_that_it_was_earned_is_noted_once_an_hour() -> None:
    rows = passings((0, A), (1, B), (2, C))
    assert credit(rows, "dora@lab.example", T0 + 2 * DAY + 3599, SETTINGS) == {}
    assert credit(rows, A, T0 + 2 * DAY + 3601, SETTINGS).keys() == {"earned"}


@pytest.mark.parametrize("number", range(20))
def test_each_of_so_many_recipients_counts_whoever_they_are(number: int) -> None:
    settings, random = Settings(), Random(number)
    rows: Rows = {}
    for day in range(settings.wave_through):
        name = "".join(random.choices("aeiknrst", k=8))
        rows = merged(rows, credit(rows, f"{name}@lab.example", T0 + day * DAY, settings))
    assert earned(rows, T0 + 9 * DAY, settings)


@given(st.lists(st.text(max_size=40)))
def test_a_group_has_no_more_rows_than_it_takes_and_they_name_nobody(recipients: list[str]) -> None:
    settings = Settings(wave_through=MOST_RECIPIENTS)
    rows: Rows = {}
    for recipient in recipients:
        rows = merged(rows, credit(rows, recipient, T0, settings))
    assert len(rows) <= MOST_RECIPIENTS
    assert all(name.removeprefix("to:").isdecimal() for name in rows)


NEWS = st.tuples(st.sampled_from(["credit", "lost"]), st.sampled_from([A, B, C]), st.floats(0, 9))


@given(st.lists(NEWS, max_size=12), st.randoms())
def test_hosts_that_hear_of_each_other_late_end_with_the_same_rows(
    news: list[tuple[str, str, float]], random: Random
) -> None:
    copies: list[Rows] = []
    rows: Rows = {}
    for what, recipient, day in news:
        copy = (
            credit(rows, recipient, T0 + day * DAY, SETTINGS)
            if what == "credit"
            else discredit(rows, T0 + day * DAY, SETTINGS)
        )
        copies.append(copy)
        rows = merged(rows, copy)
    shuffled = list(copies)
    random.shuffle(shuffled)
    assert merged(*shuffled, *copies) == rows
    assert counted(merged(*shuffled), T0 + 9 * DAY, SETTINGS) == counted(rows, T0 + 9 * DAY, SETTINGS)


@pytest.mark.parametrize(
    ("wire", "group"),
    [
        ("64:ff9b::c01f:c40a", "net:192.31.196.10/32"),
        ("192.31.196.10", "net:192.31.196.10/32"),
        ("2001:db8:1:2:3::4", "net:2001:db8:1:2::/64"),
        ("64:ff9b:1::1", ""),
        (None, ""),
    ],
)
def test_the_exact_network_is_one_address_of_ipv4_or_a_64(wire: str | None, group: str) -> None:
    assert exact_network(TRANSLATOR.client(wire)) == group


@pytest.mark.parametrize(
    ("sender", "group"),
    [
        ("a@Example.org", "spf:example.org"),
        ("", ""),
        ("postmaster", ""),
        ("a@bücher.example", "spf:xn--bcher-kva.example"),
    ],
)
def test_a_senders_group_is_its_domain(sender: str, group: str) -> None:
    assert sender_group(sender) == group
