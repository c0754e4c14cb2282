"""An index finds what a text says."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.lists.entry import Entry
from milter64.lists.index import Index, lines, reader
from milter64.lists.mistakes import Mistake, Mistakes
from milter64.lists.who import parse

READ = reader(Mistakes(), blocks=False)
NAMES = [f"n{number}.example.org" for number in range(40)]
LINE = st.sampled_from([*NAMES, "# nothing", "", "wrong wrong", "192.0.2.0/24"]) | st.builds(
    "{} spares={}".format, st.sampled_from(NAMES), st.sampled_from(["all", "spf"])
)
TEXT = st.lists(LINE, max_size=60).map("\n".join).map(str.encode)


def plainly(text: bytes) -> dict[bytes, tuple[Entry, int]]:
    """Return each entry and its line's number by its key, as a child would find them."""
    found = {}
    for number, (_, raw) in enumerate(lines(text), start=1):
        try:
            if entry := READ(raw):
                found[entry.who.key] = entry, number
        except Mistake:
            pass
    return found


def found(index: Index) -> dict[bytes, tuple[Entry, int]]:
    """Return what an index has of all that may be in it."""
    keys = {*plainly(index.text), *(parse(who, Mistakes()).key for who in (*NAMES, "192.0.2.0/24"))}
    return {key: at for key in keys if (at := index.find(key))}


@given(TEXT)
def test_an_index_finds_each_entry_and_the_last_of_several(text: bytes) -> None:
    assert found(Index(text, READ)) == plainly(text)


def test_in_a_long_text_each_line_has_its_number() -> None:
    names = [f"n{number}.example.org # {'x' * (number % 50)}" for number in range(2000)]
    index = Index("\n".join(names).encode(), READ)
    for number, name in enumerate(names, start=1):
        assert (at := index.find(f".{name.partition(' ')[0]}".encode()))
        assert at[1] == number


def test_a_text_is_read_in_slices_and_the_others_have_their_turn_in_between() -> None:
    turns = list[None]()
    Index(b"a.example.org\n" * 1000, READ, partial(turns.append, None))
    assert len(turns) == len(b"a.example.org\n" * 1000) // 1036 + 1


def test_what_there_is_and_until_when_is_known() -> None:
    text = b"192.0.2.0/24\n2001:db8::/32 until=1970-01-02\nx.example.org spares=all until=1970-01-03\n"
    text += b"y.example.org spares=all until=1970-01-02\n@x.example.org"
    index = Index(text, READ)
    assert index.shapes == {
        ("network", "", 4, 24): float("inf"),
        ("network", "", 16, 32): 86400.0,
        ("name", "all", 0, 0): 172800.0,
        ("domain", "", 0, 0): float("inf"),
    }
    assert [list(some) for some in index.ends] == [[86400.0, 172800.0]]


def test_times_are_sorted_some_at_a_time() -> None:
    text = "\n".join(f"n{number}.example.org until={2027 + number * 7 % 9000}-01-01" for number in range(5000))
    index = Index(text.encode(), READ)
    assert len(index.ends) == 2
    assert all(list(some) == sorted(some) for some in index.ends)
    assert {end for some in index.ends for end in some} == {entry.until for entry, _ in found(index).values()}


def test_wrong_lines_are_kept_with_their_numbers_up_to_a_hundred_of_them() -> None:
    index = Index(b"a.example.org\n\n.com\n" + b"wrong\n" * 200, READ)
    assert (index.wrong[0].number, index.wrong[0].what) == (3, "below com anybody may have a name")
    assert (len(index.wrong), index.wrong_lines) == (100, 201)


def test_two_keys_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from milter64.lists import index as module  # noqa: PLC0415  the module whose hash it is

    monkeypatch.setattr(module, "hash", lambda _key: 7, raising=False)
    index = Index("\n".join(NAMES).encode(), READ)
    assert found(index) == plainly(index.text)
    assert index.find(b".other.example.org") is None
