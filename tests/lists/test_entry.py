from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from milter64.lists.entry import LONGEST, Entry, moment, read_line, shown_second, shown_time
from milter64.lists.mistakes import Mistake, Mistakes

MISTAKES = Mistakes()


def read(line: str | bytes, *, blocks: bool = False) -> Entry | None:
    return read_line(line.encode() if isinstance(line, str) else line, MISTAKES, blocks=blocks)


@pytest.mark.parametrize(
    ("line", "written", "spares", "until", "because"),
    [
        ("192.0.2.0/24", "192.0.2.0/24", "", None, ""),
        ("  192.0.2.0/24\r", "192.0.2.0/24", "", None, ""),
        ("192.0.2.0/24 # ticket 12, by joe", "192.0.2.0/24", "", None, "ticket 12, by joe"),
        ("192.0.2.0/24\t#ticket #12", "192.0.2.0/24", "", None, "ticket #12"),
        ("@partner.example spares=all", "@partner.example", "all", None, ""),
        ("a.example until=1970-01-02 spares=spf # für sie", "a.example", "spf", 86400, "für sie"),
        ("a.example until=1970-01-01T01:00+01:00", "a.example", "", 0, ""),
        ("a.example until=1970-01-01T00:01:01Z", "a.example", "", 61, ""),
        ("a#b@partner.example", "a#b@partner.example", "", None, ""),
        ("a#b@partner.example  # why", "a#b@partner.example", "", None, "why"),
    ],
)
def test_a_line_is_read(line: str, written: str, spares: str, until: float | None, because: str) -> None:
    entry = read(line)
    assert entry
    assert (entry.written, entry.spares, entry.until, entry.because) == (written, spares, until, because)


@pytest.mark.parametrize("line", ["", "  ", "\r", "# 192.0.2.0/24", " \t# spares"])
def test_a_line_may_have_none(line: str) -> None:
    assert read(line) is None


def test_a_network_in_two_words_is_shown_in_one() -> None:
    with pytest.raises(Mistake) as refusal:
        read("192.0.2.0 /24")
    assert refusal.value.remedy == "write 192.0.2.0/24, without a blank"


@pytest.mark.parametrize(
    ("blocks", "remedy"),
    [
        (False, "write spares=all, until=2027-01-31, or a # before a comment"),
        (True, "write until=2027-01-31, or a # before a comment"),
    ],
)
def test_what_may_stand_behind_it_is_told(*, blocks: bool, remedy: str) -> None:
    with pytest.raises(Mistake) as refusal:
        read("192.0.2.0/24 untli=2027-01-31", blocks=blocks)
    assert refusal.value.remedy == remedy


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("192.0.2.0/24 ticket 12", "ticket is not understood"),
        ("192.0.2.0/24 spare=all", "spare is not understood"),
        ("192.0.2.0/24 spares=everything", "everything can't be spared"),
        ("192.0.2.0/24 spares=", "nothing can't be spared"),
        ("192.0.2.0/24 until=tomorrow", "tomorrow is no time"),
        ("192.0.2.0/24 until=2027-02-30", "2027-02-30 is no time"),
        ("192.0.2.0/24 until=2027-01-31T12:00", "2027-01-31T12:00 is no time"),
        ("192.0.2.0/24 until=20270131", "20270131 is no time"),
        ("192.0.2.0/24 until=", "nothing is no time"),
        ("192.0.2.0/24#ticket", "has no prefix length"),
        ("192.0.2.0/24 # a\x1b[2Jb", "holds the character U\\+001B"),
        ("192.0.2.0/24\u200b", "holds the character U\\+200B"),
        (b"192.0.2.0/24 # f\xfcr", "byte 0xfc is not UTF-8"),
        ("192.0.2.0/24 #" + "x" * LONGEST, "more than 1000 octets"),
    ],
)
def test_a_line_may_be_wrong(line: str | bytes, what: str) -> None:
    with pytest.raises(Mistake, match=what) as refusal:
        read(line)
    assert refusal.value.remedy


def test_who_is_blocked_is_spared_nothing() -> None:
    with pytest.raises(Mistake, match="who is blocked is spared nothing"):
        read("192.0.2.0/24 spares=all", blocks=True)


@given(
    st.sampled_from(["192.0.2.0/24", "@partner.example", "to:you@here.example"]),
    st.sampled_from(["", " spares=spf"]),
    st.none() | st.integers(0, 253402300799),
    st.text(
        st.characters(min_codepoint=33, max_codepoint=0x2FF).filter(lambda char: category(char)[0] not in "CZ"),
        max_size=30,
    ),
)
def test_an_entry_is_what_its_line_is_read_as(who: str, spares: str, until: int | None, because: str) -> None:
    line = f"{who}{spares}{'' if until is None else f' until={shown_time(until)}'}{f' # {because}' if because else ''}"
    entry = read(line)
    assert entry
    assert (entry.line, entry.until) == (line, until)
    assert read(entry.line) == entry


@example([60, 61])
@given(st.lists(st.integers(0, 253402300799), min_size=2))
def test_of_two_times_to_the_second_the_later_one_is_the_greater_text(times: list[int]) -> None:
    assert sorted(map(shown_second, times)) == list(map(shown_second, sorted(times)))
    assert [moment(shown_second(at)) for at in times] == times


def test_an_entry_counts_until_the_second_in_which_it_runs_out() -> None:
    entry = read("192.0.2.0/24 until=2027-01-31T12:00Z")
    assert entry
    end = moment("2027-01-31T12:00:00Z")
    assert [entry.counts(end - 0.001), entry.counts(end), entry.counts(end + 1)] == [True, False, False]
