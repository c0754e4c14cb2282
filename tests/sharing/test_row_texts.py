import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.row import Record
from milter64.sharing import row_texts

TIMES = st.integers(0, 36**8 - 1).map(lambda milliseconds: milliseconds / 1000)
ROWS = st.builds(Record, generation=st.integers(0, 10**9 - 1), first_seen=TIMES, passed_at=st.none() | TIMES)
NOW = 1_795_900_000.123


@given(row=ROWS)
def test_a_row_that_was_written_is_read_as_it_was(row: Record) -> None:
    assert row_texts.load(row_texts.dump(row, 0.0), 0.0) == row


@given(row=ROWS)
def test_a_row_is_written_in_one_way_alone(row: Record) -> None:
    text = row_texts.dump(row, 0.0)
    assert row_texts.dump(row_texts.load(text, 0.0), 0.0) == text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (Record(generation=0, first_seen=NOW), "mx0whoqj"),
        (Record(generation=0, first_seen=NOW, passed_at=NOW + 61.333), "mx0whoqj mx0wj028"),
        (Record(generation=7, first_seen=NOW), "mx0whoqj+7"),
        (Record(generation=1, first_seen=0.0, passed_at=NOW), "00000000 mx0whoqj+1"),
        (Record(generation=0, first_seen=-86400.0), "00000000"),
        (Record(generation=0, first_seen=9e99), "zzzzzzzz"),
    ],
)
def test_a_row_is_as_short_as_can_be(row: Record, text: str) -> None:
    assert row_texts.dump(row, 0.0) == text


def test_times_are_by_the_clock_of_the_server() -> None:
    text = row_texts.dump(Record(generation=0, first_seen=NOW + 290.0, passed_at=NOW + 300.0), 290.0)
    assert row_texts.load(text, -10.0) == Record(generation=0, first_seen=NOW - 10.0, passed_at=NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("", "0 1795900000123 ", "mx0whoq", "mx0whoqjj", "MX0WHOQJ", "mx0whoqj ", "mx0whoqj  mx0whoqj"),
        *("mx0whoqj mx0", "mx0whoqj+0", "mx0whoqj+", "mx0whoqj+-1", "mx0whoqj\n", "mx0whoq\u0665", "+1"),
    ],
)
def test_what_is_no_row_is_left_out(text: str) -> None:
    assert row_texts.load_all({"net:192.0.2.0/24": text, "spf:honest.example": "mx0whoqj"}, 0.0).keys() == {
        "spf:honest.example"
    }
