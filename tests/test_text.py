import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.text import clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("mail.example.org", "mail.example.org", id="plain text stays"),
        pytest.param(" !~ ", "!~", id="the edges of printable ASCII"),
        pytest.param("v=spf1\r\nX-Evil: 1", "v=spf1 X-Evil: 1", id="a line break is a blank"),
        pytest.param("a \t \n b", "a b", id="a run of blanks is one"),
        pytest.param("a\x1b[31mb\x00\x7fc", "a?[31mb?c", id="controls"),
        pytest.param("a \x00 b", "a ? b", id="a control among blanks glues no words"),
        pytest.param("Grüße", "Gr?e", id="a run of what is not ASCII is one"),
        pytest.param("über é und", "?ber ? und", id="words stay apart"),
        pytest.param("a\xa0b\u2028c", "a?b?c", id="a blank that is not ASCII is none"),
        pytest.param("\udcff\udcfe", "?", id="undecodable bytes"),
        pytest.param(" \r\n ", "", id="nothing but blanks"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_strangers_text_becomes_one_line_of_printable_ascii(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("12345678", 8, "12345678"),
        ("123456789", 8, "12345..."),
        ("1234 6789", 8, "1234..."),
        ("ééééééééé", 8, "?"),
        ("   12345678   ", 8, "12345678"),
        ("x" * 256, 255, "x" * 252 + "..."),
    ],
)
def test_what_is_cut_off_is_announced(text: str, limit: int, cut: str) -> None:
    assert clean(text, limit) == cut


def test_the_limit_is_255_unless_told() -> None:
    assert clean("x" * 256) == "x" * 252 + "..."


@given(st.binary(max_size=200).map(lambda raw: raw.decode(errors="surrogateescape")) | st.text(), st.integers(3, 60))
def test_whatever_comes_in_what_goes_out_can_stand_anywhere(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert all(" " <= character <= "~" for character in cleaned)
    assert cleaned == cleaned.strip(" ")
    assert "  " not in cleaned
    assert clean(cleaned, limit) == cleaned
