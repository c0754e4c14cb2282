"""The year of a stamp that has none is told by the file's age, and by the line before."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from milter64.history.line_times import LineTimes


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as context:
        context.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def _at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("written", "stamps", "meant"),
    [
        ("2026-11-29T12:00", ["Nov 28 02:15:18", "Nov 29 02:15:18"], ["2026-11-28T02:15:18", "2026-11-29T02:15:18"]),
        ("2027-01-02T12:00", ["Dec 31 23:59:59", "Jan  1 00:00:00"], ["2026-12-31T23:59:59", "2027-01-01T00:00:00"]),
        ("2026-12-31T23:59", ["Dec 31 23:59:59", "Jan  1 00:00:00"], ["2026-12-31T23:59:59", "2027-01-01T00:00:00"]),
        ("2027-01-01T00:01", ["Jan  1 00:00:00", "Dec 31 23:59:59"], ["2027-01-01T00:00:00", "2026-12-31T23:59:59"]),
        ("2026-03-01T00:00", ["Mar  1 20:00:00"], ["2026-03-01T20:00:00"]),
        ("2026-03-01T00:00", ["Mar  3 00:00:00"], ["2025-03-03T00:00:00"]),
        ("2026-11-29T12:00", ["Feb 29 10:00:00", "Mar  1 10:00:00"], ["2024-02-29T10:00:00", "2024-03-01T10:00:00"]),
        ("2103-01-01T00:00", ["Feb 29 10:00:00"], ["2096-02-29T10:00:00"]),
        ("2028-11-29T12:00", ["Feb 28 10:00:00", "Feb 29 10:00:00"], ["2028-02-28T10:00:00", "2028-02-29T10:00:00"]),
        (
            "2026-11-29T12:00",
            ["Jun  1 00:00:00", "Nov 30 00:00:00", "May  1 00:00:00"],
            ["2026-06-01T00:00:00", "2026-11-30T00:00:00", "2027-05-01T00:00:00"],
        ),
    ],
    ids=[
        *("a usual day", "into January", "into January after the file was written to last", "back into December"),
        *("a clock ahead by hours", "later than the file", "a leap day", "eight years without a leap day"),
        *("a day before a leap day", "from spring to spring"),
    ],
)
def test_a_traditional_stamp_is_of_the_year_that_the_file_and_the_line_before_tell(
    written: str, stamps: list[str], meant: list[str]
) -> None:
    times = LineTimes(_at(written))
    assert [times(stamp.encode()) for stamp in stamps] == [_at(text) for text in meant]


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-29T02:15:18.250000+00:00",
        "2026-11-29T03:15:18.25+01:00",
        "2026-11-28T21:15:18.250000-0500",
        "2026-11-29T02:15:18.25Z",
    ],
)
def test_a_stamp_of_iso_8601_says_it_all(stamp: str) -> None:
    assert LineTimes(0)(stamp.encode()) == _at("2026-11-29T02:15:18.250")


def test_a_traditional_stamp_is_in_the_time_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    times = LineTimes(_at("2026-11-29T12:00"))
    assert times(b"Jul  1 02:00:00") == _at("2026-07-01T00:00")
    assert times(b"Nov 29 02:00:00") == _at("2026-11-29T01:00")


@pytest.mark.parametrize("stamp", ["Foo 29 02:15:18", "Feb 30 02:15:18", "Nov 29 24:15:18", "2026-13-29T02:15:18Z"])
def test_what_is_no_time_is_refused(stamp: str) -> None:
    times = LineTimes(_at("2026-11-29T12:00"))
    with pytest.raises(ValueError, match=r"no hour|day|month|ISO"):
        times(stamp.encode())
