"""What an SPF record says, and that it is read once."""

from typing import Any

import pytest

from milter64.checks.pyspf import spf
from milter64.checks.spf_record import IMPLIED, Unreadable, read


@pytest.fixture
def terms(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The terms that pyspf reads."""
    taken: list[str] = []
    actual = spf.query.validate_mechanism

    def noted(reader: Any, term: str) -> Any:  # noqa: ANN401  pyspf ships no types
        taken.append(term)
        return actual(reader, term)

    monkeypatch.setattr(spf.query, "validate_mechanism", noted)
    return taken


def test_a_term_that_comes_again_is_read_once(terms: list[str]) -> None:
    said = read(f"v=spf1 {'ip4:10.0.0.1 ' * 1000}-all", "again.test", "in-addr")
    assert terms == ["ip4:10.0.0.1", "-all"]
    assert len(said.directives) == 1001


def test_a_record_that_comes_again_is_read_once(terms: list[str]) -> None:
    first = read("v=spf1 a mx -all", "record.test", "in-addr")
    assert read("v=spf1 a mx -all", "record.test", "in-addr") == first
    assert terms == ["a", "mx", "-all"]


def test_strangers_records_take_no_more_than_their_room(terms: list[str]) -> None:
    for number in range(1000):
        read(f"v=spf1 a:{number}.test -all", "stranger.test", "ip6")
    terms.clear()
    read("v=spf1 a:999.test -all", "stranger.test", "ip6")
    assert terms == []
    read("v=spf1 a:0.test -all", "stranger.test", "ip6")
    assert terms == ["a:0.test", "-all"]


def test_what_is_long_pushes_out_nobody(terms: list[str]) -> None:
    long = f"v=spf1 {' '.join(f'ip4:10.0.{number}.1' for number in range(100))} -all"
    for _ in range(2):
        read(long, "long.test", "in-addr")
    assert len(terms) == 202


def test_a_record_is_read_for_each_family_and_each_domain_by_itself() -> None:
    record = "v=spf1 a/24//64 -all"
    said = {
        (owner, family): read(record, owner, family) for owner in ("x.test", "y.test") for family in ("in-addr", "ip6")
    }
    told = {key: (each.directives[0].prefix, each.directives[0].owner) for key, each in said.items()}
    assert told == {
        ("x.test", "in-addr"): (24, "x.test"),
        ("x.test", "ip6"): (64, "x.test"),
        ("y.test", "in-addr"): (24, "y.test"),
        ("y.test", "ip6"): (64, "y.test"),
    }


def test_a_domain_spec_left_out_is_whosever_record_it_is() -> None:
    assert read("v=spf1 mx", "implied.test", "ip6").directives[0].argument == IMPLIED


def test_modifiers_are_told_but_for_those_that_nobody_knows() -> None:
    said = read("v=spf1 EXP=e.test redirect=%{d}.test what=ever", "modifiers.test", "ip6")
    assert said.modifiers == {"exp": "e.test", "redirect": "%{d}.test"}


@pytest.mark.parametrize(
    ("record", "term"),
    [
        ("v=spf1 ip4:10.0.0.1 ip4:10.0.0.0/33 -all", "ip4:10.0.0.0/33"),
        ("v=spf1 exp=a.test exp=b.test", "exp=b.test"),
        ("v=spf1 what=%x", "what=%x"),
        (f"v=spf1 a/{'9' * 5000}", f"a/{'9' * 5000}"),
        ("v=spf1 include", "include"),
        ("v=spf1 caf\u00e9", ""),
    ],
)
def test_an_error_says_where_it_is_each_time(record: str, term: str) -> None:
    for _ in range(2):
        with pytest.raises(Unreadable) as caught:
            read(record, "error.test", "in-addr")
        assert caught.value.term == term
