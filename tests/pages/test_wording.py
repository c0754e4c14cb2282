"""Values are written for people, and no stranger's word can harm a terminal."""

import pytest

from milter64.pages.wording import Kind, Value, said, whole

YEAR_10000 = 253402300800.0


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (None, "text", "-"),
        (None, "number", "-"),
        ("two\n lines\x1b[31m <b>é", "text", "two lines?[31m <b>?"),
        (0, "number", "0"),
        (1234567, "number", "1,234,567"),
        (0.25, "number", "0.2"),
        (12.0, "number", "12"),
        (0, "time", "1970-01-01 00:00:00Z"),
        (1780000000.9, "time", "2026-05-28 20:26:40Z"),
        (YEAR_10000, "time", "253402300800"),
        (0, "duration", "0 s"),
        (0.42, "duration", "0.4 s"),
        (1, "duration", "1 s"),
        (59.6, "duration", "1 min"),
        (300, "duration", "5 min"),
        (3661, "duration", "1 h 1 min"),
        (3601, "duration", "1 h"),
        (86400 * 1000 + 7200, "duration", "1,000 d 2 h"),
        (float("inf"), "duration", "inf s"),
    ],
)
def test_a_value_is_written_by_its_kind(value: Value, kind: Kind, words: str) -> None:
    assert said(value, kind) == words


@pytest.mark.parametrize(
    ("line", "pasted"),
    [
        ('  networks = ["192.0.2.0/24",  "x"]', '  networks = ["192.0.2.0/24",  "x"]'),
        ("milter64 allow x\nrm -rf /", "milter64 allow x rm -rf /"),
        ("echo \x1b]0;owned\x07", "echo ?]0;owned?"),
    ],
)
def test_a_line_to_be_pasted_stays_one_line_as_it_is(line: str, pasted: str) -> None:
    assert whole(line) == pasted
