"""How much of a macro's expansion is built (RFC 7208 7), whatever a record orders."""

import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.checks.spf_macros import DOMAIN_SPEC, EXPLAIN_STRING, LONGEST_NAME, Macros, has_p

VALUES = {
    "s": "strong-bad.@example.com",
    "l": "strong-bad.",
    "d": f"{'x' * 60}.example.com",
    "o": "example.com",
    "h": "mx.ex-ample.org",
    "i": "192.0.2.3",
    "v": "in-addr",
    "p": "unknown",
}
MACROS = st.from_regex(r"%\{[slodipvh](?:[1-9][0-9]?)?r?[-.+,/_=]{0,3}\}", fullmatch=True)
SPECS = st.lists(MACROS | st.sampled_from(["%%", "%_", "%-", ".", "ab.", "label", "x" * 70]), max_size=40).map("".join)


class Counted(Macros):
    """Macros of `VALUES`, and others if given; it counts how often each letter's value was wanted."""

    def __init__(self, **others: str) -> None:
        self.used, self.tailored, self.d = set(), set(), "example.com"
        self.wanted = Counter[str]()
        self._by_letter = VALUES | others

    def value(self, letter: str) -> str:
        self.wanted[letter] += 1
        return self._by_letter[letter]


@pytest.mark.parametrize("spec", ["%{p}.t", "a.%{P1r-}", "%{d}%{p2}", "%%%{p}"])
def test_the_macro_that_takes_asking_is_seen(spec: str) -> None:
    assert has_p(spec)


@pytest.mark.parametrize("spec", ["p.t", "%{d}p", "%%{p}.t", "%_{p}"])
def test_what_is_no_macro_is_taken_for_none(spec: str) -> None:
    assert not has_p(spec)


def whole(pieces: list[str]) -> str:
    """Return what pieces expand to, each by itself, so that none is cut."""
    return "".join(Counted().text(piece) for piece in pieces)


@given(st.lists(MACROS | st.sampled_from(["%%", "%_", "%-", ".", "ab.", "label", "x" * 70]), max_size=40))
def test_a_name_is_the_end_of_what_all_would_expand_to_7_3(pieces: list[str]) -> None:
    name = whole(pieces).removesuffix(".")
    while len(name) > LONGEST_NAME and "." in name:
        name = name.partition(".")[2]
    cut = Counted().name("".join(pieces))
    assert cut == name or (len(name) > LONGEST_NAME < len(cut) and name.endswith(cut)), "too long either way"


@given(st.lists(MACROS | st.sampled_from(["%%", "%_", " ", "ab."]), max_size=200))
def test_a_text_is_the_beginning_of_what_all_would_expand_to(pieces: list[str]) -> None:
    text, expanded = Counted().text("".join(pieces)), whole(pieces)
    assert text == expanded or (len(text) > 1000 and expanded.startswith(text))


@pytest.mark.parametrize("expand", [Counted.name, Counted.text])
def test_however_often_a_macro_is_spelt_it_is_expanded_once(expand: Callable[[Counted, str], str]) -> None:
    counted = Counted(l="-")
    expand(counted, "%{l1-}" * 2000 + "%{d}.t")
    assert counted.wanted == {"l": 1, "d": 1}, "l is empty here, so all of them are looked at"


def test_what_stands_before_the_last_characters_of_a_name_is_not_expanded() -> None:
    counted = Counted()
    assert counted.name("%{s}.%{p}." + "%{d}." * 9 + "t").endswith(f"{VALUES['d']}.t")
    assert counted.wanted == {"d": 1}
    assert counted.used == {"d"}


def test_what_stands_behind_the_first_characters_of_a_text_is_not_expanded() -> None:
    counted = Counted()
    counted.text("%{d} " * 20 + "%{s}")
    assert counted.wanted == {"d": 1}


@pytest.mark.parametrize(
    ("letter", "longest"),
    [
        pytest.param("l", "l" * 64, id="a local part, RFC 5321 4.5.3.1.1"),
        pytest.param("l", "é" * 32, id="which is counted in octets"),
        pytest.param("l", "\udce9" * 64, id="of any kind"),
        pytest.param("h", "h" * 255, id="HELO, 4.5.3.1.2"),
        pytest.param("s", f"{'s' * 64}@{'d.' * 120}example", id="a sender"),
    ],
)
def test_more_of_the_clients_words_than_rfc_5321_allows_make_no_name(letter: str, longest: str) -> None:
    spec, macros = f"%{{{letter}r+}}.t", Counted(**{letter: longest})
    assert macros.text(spec) == f"{longest}.t"
    assert macros.name(spec)
    too_long = Counted(**{letter: f"x{longest}"})
    assert too_long.name(spec) == ""
    assert too_long.text(f"{spec} is what it says") == "....t is what it says"


def test_over_long_words_that_a_name_does_not_reach_do_not_matter() -> None:
    assert Counted(l="l" * 65).name(f"%{{l}}.{'x.' * 130}t") == f"{'x.' * 126}t"


@pytest.mark.parametrize("syntax", [DOMAIN_SPEC, EXPLAIN_STRING])
@pytest.mark.parametrize("piece", ["a", "a.", "a-", "%%", "%{l}", "%{l-.}", "1", ".1", "-", "%{", "%{d1r+"])
def test_the_syntax_is_decided_in_one_go_whatever_is_repeated(syntax: re.Pattern[str], piece: str) -> None:
    """A pattern that went back and forth would not come to its end in the lifetime of this test."""
    assert not syntax.fullmatch(piece * 20_000 + "\n")
