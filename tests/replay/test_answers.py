"""The file of answers: what goes in comes out, whatever happens to its end; and nobody is asked who need not be."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.translator import Translator
from milter64.dns.lookup import Answer
from milter64.dns.settings import Settings
from milter64.dns.unanswered import Unanswered
from milter64.replay import answers as module
from milter64.replay.answers import AnswersUnreadable, KeptResolver, answers
from rig.dnsserver import DnsServer
from rig.world import RECORDS

HONEST = Answer(exists=True, values=(b"v=spf1 \xff -all",), ttl=300, name="honest.example")

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
VALUES = st.one_of(
    st.tuples(st.just("TXT"), st.lists(st.binary(max_size=40), max_size=3)),
    st.tuples(st.sampled_from(["A", "AAAA", "PTR", "NS", "CNAME"]), st.lists(NAMES, max_size=3)),
    st.tuples(st.just("MX"), st.lists(st.tuples(st.integers(0, 65535), NAMES), max_size=3)),
)


@given(name=NAMES, typed=VALUES, rest=st.tuples(st.booleans(), st.integers(1, 3600), NAMES))
def test_an_answer_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    typed: tuple[str, list[object]],
    rest: tuple[bool, int, str],
) -> None:
    path = tmp_path_factory.mktemp("answers") / "answers.jsonl"
    (rdtype, values), (exists, ttl, owner) = typed, rest
    answer = Answer(exists=exists, values=tuple(values), ttl=ttl, name=owner)
    with answers(path, write=True) as kept:
        kept.keep(name, rdtype, answer)
        assert kept.of(name, rdtype) == answer
    with answers(path, write=False) as kept:
        assert kept.of(name, rdtype) == answer
        assert kept.of(name, "SOA") is None


def test_the_later_of_two_counts_and_what_had_no_answer_is_known_too(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with answers(path, write=True) as kept:
        kept.keep("honest.example", "TXT", Unanswered("no answer in time"))
        assert str(kept.of("honest.example", "TXT")) == "no answer in time"
    with answers(path, write=True) as kept:
        kept.keep("honest.example", "TXT", HONEST)
    with answers(path, write=False) as kept:
        assert kept.of("honest.example", "TXT") == HONEST


@pytest.mark.parametrize("torn", [1, 20, 60])
def test_a_line_that_was_cut_short_costs_that_answer_alone(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "answers.jsonl"
    with answers(path, write=True) as kept:
        kept.keep("first.example", "TXT", HONEST)
        kept.keep("torn.example", "TXT", HONEST)
    path.write_bytes(path.read_bytes()[:-torn])
    with answers(path, write=True) as kept:
        kept.keep("last.example", "TXT", HONEST)
    with answers(path, write=False) as kept:
        found = [kept.of(f"{name}.example", "TXT") for name in ("first", "last")]
        assert found == [HONEST, HONEST]
        assert kept.of("torn.example", "TXT") in {None, HONEST}


def test_no_more_are_kept_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    path = tmp_path / "answers.jsonl"
    with answers(path, write=True) as kept:
        for name in ("a", "b", "c", "a"):
            kept.keep(name, "TXT", HONEST)
        assert (len(kept), kept.left_out, kept.of("c", "TXT")) == (2, 1, None)
    with answers(path, write=False) as kept:
        assert (len(kept), kept.left_out) == (2, 0)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("hello\n", "no file of answers"),
        ("[]\n", "no file of answers"),
        ('{"milter64": "report", "schema": 1}\n', "no file of answers"),
        ('{"milter64": "answers", "schema": 2}\n', "its schema is 2"),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, content: str, why: str, *, write: bool) -> None:
    path = tmp_path / "other"
    path.write_text(content)
    with pytest.raises(AnswersUnreadable, match=why), answers(path, write=write):
        pass
    assert path.read_text() == content


def soon() -> float:
    return time.monotonic() + 5


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer(RECORDS) as server:
        yield server


Resolving = Callable[..., KeptResolver]


@pytest.fixture
def resolver(dns: DnsServer) -> Resolving:
    return lambda kept, *, asks: KeptResolver(Settings(nameservers=(dns.address,)), Translator(()), kept, asks=asks)


def test_dns_is_asked_once_and_never_again(tmp_path: Path, resolver: Resolving) -> None:
    path = tmp_path / "answers.jsonl"
    with answers(path, write=True) as kept:
        first = resolver(kept, asks=True)
        answer = first.ask("honest.example", "TXT", soon())
        assert (first.asked, answer.values) == (1, (b"v=spf1 ip4:192.31.196.10 -all",))
        second = resolver(kept, asks=True)
        assert (second.ask("honest.example", "TXT", soon()).values, second.asked) == (answer.values, 0)
    with answers(path, write=False) as kept:
        alone = resolver(kept, asks=False)
        assert alone.ask("honest.example", "TXT", soon()).values == answer.values
        with pytest.raises(Unanswered, match="the file of answers has none"):
            alone.ask("other.example", "TXT", soon())
        assert (alone.asked, alone.missing, alone.alive(soon()), alone.down) == (0, 1, True, False)


def test_what_had_no_answer_is_asked_again_by_who_asks_alone(tmp_path: Path, resolver: Resolving) -> None:
    path = tmp_path / "answers.jsonl"
    with answers(path, write=True) as kept:
        kept.keep("honest.example", "TXT", Unanswered("no answer in time"))
        with pytest.raises(Unanswered, match="no answer in time"):
            resolver(kept, asks=False).ask("honest.example", "TXT", soon())
        assert resolver(kept, asks=True).ask("honest.example", "TXT", soon()).values
