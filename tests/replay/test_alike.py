"""What was said of one attempt counts for others alone of which the engine would say the same."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from milter64.config.list_sources import admin_lists
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.greylist.row import Record
from milter64.replay.alike import Alike
from milter64.replay.judge import Judge
from milter64.replay.outcomes import Outcomes
from milter64.replay.past_rows import PastRows
from milter64.replay.traffic import Attempt
from milter64.report.outcome import Shape
from rig.records import Records

HOUR = 3600.0
Told = tuple[float, Shape, str, str]
Rows = dict[tuple[str, str], Record]

CONFIGURATIONS = {
    "as it is": "",
    "all": '[greylist]\napply = "all"\n',
    "waving": 'helo.actions.malformed = "reject"\n[greylist]\napply = "all"\nwave_through = 2\nwave_over = "1m"\n',
    "names refused": '[iprev]\nactions = {fail = "reject", permerror = "reject"}\n[greylist]\napply = "all"\n',
    "greetings": '[helo.actions]\nmalformed = "reject"\nown-name = "greylist"\nliteral = "greylist"\n',
    "translated": 'translation.prefixes = ["64:ff9b::/96"]\n[trust]\nnetworks = ["192.31.196.99"]\n',
    "private judged": "trust.judge_private = true\n",
    "some allowed": '[allow]\nentries = ["192.31.196.10"]\n[block]\nentries = ["ann@honest.example"]\n',
}

Words = tuple[bytes, ...]
ADDRESSES: Words = (
    *(b"192.31.196.10", b"192.31.196.20", b"192.31.197.30", b"192.31.196.99", b"10.0.0.1", b"127.0.0.1", b"unknown"),
    *(b"2001:db8:6::25", b"::ffff:192.31.196.20", b"64:ff9b::c01f:c414", b"64:ff9b::7f00:1"),
)
NAMES: Words = (b"unknown", b"mail.honest.example", b"mx2.honest.example", b"192-31-196-20.dyn.example", b"")
GREETINGS = (None, b"mail.honest.example", b"localhost", b"[192.31.196.10]", b"", b"b\xc3\xbccher.example")
SENDERS: Words = (
    *(f"{who}@honest.example".encode() for who in ("joe", "ann", "prvs=1234567890=joe")),
    b"",
    b"no domain",
)
RECIPIENTS: Words = (
    *(f"{who}@example.org".encode() for who in ("you", "me", "postmaster")),
    b"no domain",
    b"\xff@x.org",
)
APART = (0.0, 1.0, 59.0, 61.0, 25 * HOUR, 40 * 24 * HOUR)


def few(words: Sequence[bytes | None]) -> st.SearchStrategy[list[bytes | None]]:
    """One or two of some words, so that they come again and again."""
    return st.lists(st.sampled_from(words), min_size=1, max_size=2)


@st.composite
def logs(draw: st.DrawFn) -> list[Attempt]:
    """Attempts as a log may have them, of few people."""
    pools = [draw(few(words)) for words in (NAMES, ADDRESSES, GREETINGS, SENDERS, RECIPIENTS)]
    names, addresses, greetings, senders, recipients = map(st.sampled_from, pools)
    log, at = list[Attempt](), 0.0
    for _ in range(draw(st.integers(1, 30))):
        at += draw(st.sampled_from(APART))
        to = draw(st.lists(recipients, min_size=1, max_size=draw(st.sampled_from([1, 1, 3]))))
        login = draw(st.sampled_from([b"", b"", b"", b"joe"]))
        who = draw(names), draw(addresses), draw(greetings), draw(senders)
        log.append(Attempt(at, b"4b", *who, tuple(to), login))  # type: ignore[arg-type]  # but GREETINGS none is None
    return log


def replayed(settings: Settings, log: Sequence[Attempt], *, plainly: bool) -> tuple[list[Told], Rows, int]:
    """Return what is said of a log, the rows at its end, and how many attempts the engine has judged."""
    told: list[Told] = []
    outcomes = Outcomes(lambda *outcome: told.append(outcome))
    lists = admin_lists(settings, print)
    with closing(Judge(settings, Records({}), lists, outcomes, asks=False)) as judge:  # type: ignore[arg-type]  # a fake
        engine, judged = judge.judge, list[Attempt]()

        def counted(attempt: Attempt) -> None:
            judged.append(attempt)
            engine(attempt)

        judge.judge = counted  # type: ignore[method-assign]  # to be counted
        alike = Alike(judge, lists, outcomes)
        for attempt in log:
            (judge.judge if plainly else alike.judge)(attempt)
        rows = {(key, group): row for key, group, row in judge.rows.everything()}
    return told, rows, len(judged)


HONEST = Attempt(
    0.0, b"4b", b"mail.honest.example", b"192.31.196.10", None, b"joe@honest.example", (b"you@example.org",)
)
JOHN = HONEST._replace(name=b"unknown", address=b"192.31.197.30", sender=b"john@other.example")


def earned(begins: float) -> list[Attempt]:
    """What it takes to be waved through: mail to two that has waited, over a minute."""
    one, other = HONEST._replace(recipients=(b"one@example.org",)), HONEST._replace(recipients=(b"other@example.org",))
    return [each._replace(at=begins + at) for each, at in ((one, 0.0), (one, 61.0), (other, 62.0), (other, 130.0))]


NEXT = HONEST._replace(recipients=(b"third@example.org",))
LEFT_BY = HONEST._replace(helo=b"localhost", recipients=(b"me@example.org",))
"""A greeting that is refused, and costs a client what it has earned."""
STORIES = {
    "earned": [JOHN, *earned(10.0), NEXT._replace(at=200.0)],
    "lost": [
        LEFT_BY._replace(address=b"192.31.198.1"),
        *earned(10.0),
        LEFT_BY._replace(at=150.0),
        NEXT._replace(at=200.0),
    ],
    "trusted": [JOHN, JOHN._replace(address=b"192.31.196.99"), JOHN._replace(address=b"127.0.0.1"), JOHN],
    "private": [HONEST._replace(name=b"", address=address) for address in (b"10.0.0.1", b"192.31.197.1", b"10.0.0.2")],
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))
@pytest.mark.parametrize("story", STORIES.values(), ids=list(STORIES))
def test_a_story_ends_as_the_engine_says(configuration: str, story: list[Attempt]) -> None:
    settings, _ = parse(configuration)
    assert replayed(settings, story, plainly=False)[:2] == replayed(settings, story, plainly=True)[:2]


@pytest.mark.parametrize(("story", "standing"), [("earned", "waved"), ("lost", "new")])
def test_what_a_client_has_earned_counts_until_it_is_lost(story: str, standing: str) -> None:
    settings, _ = parse(CONFIGURATIONS["waving"])
    told, _, _ = replayed(settings, STORIES[story], plainly=False)
    assert told[-1][1].standing == standing


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))
@effort(max_examples=20)  # each takes two engines
@given(log=logs())
def test_it_comes_to_what_the_engine_says_of_each(configuration: str, log: list[Attempt]) -> None:
    settings, problems = parse(configuration)
    assert not problems
    told, rows, _ = replayed(settings, log, plainly=False)
    assert (told, rows) == replayed(settings, log, plainly=True)[:2]


def test_a_retry_that_comes_early_costs_a_pair_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milter64.replay.judge.PastRows", partial(PastRows, most=60))  # 20 rows of those that passed
    settings, _ = parse(CONFIGURATIONS["all"])
    pairs = [JOHN._replace(sender=b"%d@other.example" % number) for number in range(45)]
    log = [pair._replace(at=at) for at in (0.0, 1.0, 2 * HOUR) for pair in pairs]
    told, _, _ = replayed(settings, log, plainly=False)
    assert [shape.standing for _, shape, _, _ in told] == ["new"] * 45 + ["waiting"] * 45 + ["passed"] * 45


@pytest.mark.parametrize(("length", "judged"), [(255, 2), (256, 5)])  # as new, and as one that waits
def test_no_long_greeting_is_remembered(length: int, judged: int) -> None:
    settings, _ = parse("")
    log = [JOHN._replace(helo=b"x" * length)] * 5
    assert replayed(settings, log, plainly=False)[2] == judged


@pytest.mark.parametrize(
    ("configuration", "judged"),
    [("as it is", 1), ("all", 1), ("some allowed", 100)],
)
def test_the_engine_judges_the_first_of_a_kind(configuration: str, judged: int) -> None:
    settings, _ = parse(CONFIGURATIONS[configuration])
    log = [HONEST._replace(at=float(n), recipients=(b"user%d@example.org" % n,)) for n in range(100)]
    told, _, count = replayed(settings, log, plainly=False)
    assert (len(told), count) == (100, judged)
