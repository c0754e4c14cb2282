"""Names as octets and as text, beside dnspython."""

import dns.exception
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.dns.wire_name import ROOT, to_text, to_wire

LABELS = st.one_of(
    st.text("abcxyz0189_-", min_size=1, max_size=64),
    st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=8),
)
NAMES = st.lists(LABELS, min_size=1, max_size=30).map(".".join)


@given(NAMES)
def test_a_name_is_read_as_dnspython_reads_it(text: str) -> None:
    try:
        wire = None if text in {"", "@"} or text.endswith(".") else dns.name.from_text(text).to_digestable()
    except dns.exception.DNSException:
        wire = None
    assert to_wire(text.lower()) == wire


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3))
def test_octets_are_shown_as_dnspython_shows_them(labels: list[bytes]) -> None:
    name = dns.name.Name([*labels, b""])
    wire = b"".join(bytes([len(label)]) + label for label in name.labels)
    assert to_text(wire) == name.to_text(omit_final_dot=True)


@pytest.mark.parametrize("text", ["", "@", "a.", "a..b", ".a", "a" * 64, ".".join(["a" * 63] * 4), "\\256.example"])
def test_what_can_be_no_name_is_none(text: str) -> None:
    assert to_wire(text) is None


@pytest.mark.parametrize("text", ["a" * 63, ".".join(["a" * 63] * 3 + ["a" * 61])])
def test_the_longest_are_names(text: str) -> None:
    assert to_text(to_wire(text) or ROOT) == text
