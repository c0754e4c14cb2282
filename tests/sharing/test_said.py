"""What hosts tell each other of an entry, in words."""

import pytest

from milter64.lists.entry import moment
from milter64.lists.mistakes import NoMistakes
from milter64.lists.who import parse
from milter64.sharing.said import Said, counts, dump, field_of, is_past, read

NOW = moment("2026-11-28")
DAY = 86400.0


@pytest.mark.parametrize(
    ("who", "field"),
    [
        ("192.0.2.1", "allow 192.0.2.1/32"),
        ("192.0.2.0/24", "allow 192.0.2.0/24"),
        ("192.0.0.0/16", "allow 192.0.0.0/16"),
        ("2001:DB8::/32", "allow 2001:db8::/32"),
        ("partner.example", "allow .partner.example"),
        ("@partner.example", "allow @partner.example"),
        ("@.partner.example", "allow @.partner.example"),
        ("Jo\u00e9@partner.example", "allow jo\u00e9@partner.example"),
        ("to:you@here.example", "allow to:you@here.example"),
    ],
)
def test_each_whom_an_entry_may_name_has_a_field(who: str, field: str) -> None:
    assert field_of("allow", parse(who, NoMistakes())) == field


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("", False),
        ("x.example.org", True),
        ("x.example.org until=2026-11-27", False),
        ("x.example.org until=2026-11-29", True),
        ("x.example.org new=words", True),
    ],
)
def test_what_has_run_out_counts_no_more(line: str, *, after: bool) -> None:
    assert counts(line, NOW) is after


@pytest.mark.parametrize(
    ("said", "after"),
    [
        (Said(NOW - 39 * DAY, "a", ""), False),
        (Said(NOW - 41 * DAY, "a", ""), True),
        (Said(NOW - 41 * DAY, "a", "x.example.org"), False),
        (Said(NOW - 41 * DAY, "a", "x.example.org new=words"), False),
        (Said(NOW - 90 * DAY, "a", "x.example.org until=2026-10-01"), True),
        (Said(NOW - 90 * DAY, "a", "x.example.org until=2026-11-01"), False),
        (Said(NOW - 39 * DAY, "a", "x.example.org until=2026-10-01"), False),
    ],
)
def test_it_is_known_for_forty_days_that_something_has_ended(said: Said, *, after: bool) -> None:
    assert is_past(said, NOW) is after


def test_what_was_told_is_read_as_it_was() -> None:
    said = Said(NOW + 0.125, "mx1", "x.example.org # f\u00fcr alle")
    assert read("allow .x.example.org", dump(said), NOW) == said


@pytest.mark.parametrize("line", [b"5", b'["x.example.org"]', b'"# x"', b'" x.example.org"', b'"\\ud800"'])
def test_what_is_no_line_is_nothing(line: bytes) -> None:
    assert read("allow .x.example.org", b'{"line": %s, "at": 1, "by": "c"}' % line, NOW) is None


def test_who_has_no_name_says_nothing() -> None:
    assert read("allow .x.example.org", b'{"line": "x.example.org", "at": 1, "by": "\\ud800"}', NOW) is None
