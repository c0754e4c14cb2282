"""An index finds what a text says, whatever it was before."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milter64.lists import list_text
from milter64.lists.entry import Entry
from milter64.lists.index import Index, lines, reader
from milter64.lists.list_text import ListText
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


def found(text: ListText) -> dict[bytes, tuple[Entry, int]]:
    """Return what a text has of all that may be in it, and of what was in it before."""
    keys = {*plainly(text.text), *plainly(text.before.text)}
    keys |= {parse(who, Mistakes()).key for who in (*NAMES, "192.0.2.0/24")}
    return {key: at for key in keys if (at := text.find(key))}


@given(TEXT)
def test_an_index_finds_each_entry_and_the_last_of_several(text: bytes) -> None:
    assert found(ListText(before=Index(text, READ))) == plainly(text)


@pytest.fixture
def always_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_LONG", 0), ("_FEW", 0)):
        monkeypatch.setattr(list_text, name, value)


@pytest.mark.usefixtures("always_in_part")
@settings(max_examples=300)
@given(st.lists(TEXT, min_size=1, max_size=4), st.data())
def test_a_text_that_has_become_another_is_that_one(texts: list[bytes], data: st.DataObject) -> None:
    text = ListText(before=Index(texts[0], READ))
    for after in texts[1:]:
        before = text.text
        head = data.draw(st.integers(0, len(before)))
        tail = data.draw(st.integers(head, len(before)))
        new = before[:head] + after + before[tail:]  # in the middle of lines too
        text = text.changed_to(new, READ, lambda: None)
        assert text.text == new
        assert found(text) == plainly(new)


def test_of_a_long_text_only_what_is_new_is_read() -> None:
    before = "\n".join(f"n{number}.example.org # {'x' * 40}" for number in range(2000)).encode()
    text = ListText(before=Index(before, READ))
    reads = list[bytes]()

    def read(raw: bytes) -> Entry | None:
        reads.append(raw)
        return READ(raw)

    after = before.replace(b"n1000.", b"new.")
    text = text.changed_to(after, read, lambda: None)
    assert text.fresh
    assert reads == [b"new.example.org # " + b"x" * 40, b""]
    assert text.find(b".n1000.example.org") is None
    for who, line in ((b".new.example.org", 1001), (b".n1.example.org", 2), (b".n1999.example.org", 2000)):
        assert (at := text.find(who))
        assert at[1] == line


def test_a_text_is_read_in_slices_and_the_others_have_their_turn_in_between() -> None:
    turns = list[None]()
    Index(b"a.example.org\n" * 1000, READ, partial(turns.append, None))
    assert len(turns) == 1000 // 128 + 1


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
    assert sorted(index.ends) == [86400.0, 86400.0, 172800.0]


def test_wrong_lines_are_kept_with_their_numbers_up_to_a_hundred_of_them() -> None:
    index = Index(b"a.example.org\n\n.com\n" + b"wrong\n" * 200, READ)
    assert (index.wrong[0].number, index.wrong[0].what) == (3, "below com anybody may have a name")
    assert (len(index.wrong), index.wrong_lines) == (100, 201)


def test_two_keys_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from milter64.lists import index as module  # noqa: PLC0415  the module whose hash it is

    monkeypatch.setattr(module, "hash", lambda _key: 7, raising=False)
    text = ListText(before=Index("\n".join(NAMES).encode(), READ))
    assert found(text) == plainly("\n".join(NAMES).encode())
    assert text.find(b".other.example.org") is None
