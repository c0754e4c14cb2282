"""Lines into figures: those of the usual form by the block, all others one by one, with the same result."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.greylist.attempt import Standing, State
from milter64.history import own_lines
from milter64.history.own_lines import Event
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.policy.decision import Verdict
from milter64.report import figures as module
from milter64.report import reading
from milter64.report.figures import Figures
from milter64.report.outcome import Shape
from rig.loglines import ENVELOPE, KNOWN, REPLY, SPF, WAIT, Stream, telemetry_to
from rig.reported import figures, line, of_blocks, shown, slowly

REFUSED = 'spf=fail iprev=pass because="spf fail: 192.31.196.40 is not permitted" reply="550 5.7.23"'
PUT_OFF = 'iprev=fail because="iprev fail: no" greylist=new group=net:192.31.196.0/24 wait=60 reply="450 4.7.1"'


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Lines that are not of the usual form, as they come."""
    seen: list[bytes] = []

    def events(blocks: Iterable[bytes], unread: Callable[[int], None]) -> Iterator[Event]:
        def kept() -> Iterator[bytes]:
            for block in blocks:
                seen.append(block)
                yield block

        return own_lines.events(kept(), unread)

    monkeypatch.setattr(reading, "events", events)
    return seen


BLOCKED = Finding(check="block", property="network", result="listed", reason="192.0.2.0/24", facts=(("aside", "a b"),))
OF_THE_SERVICE = {
    "accepted": lambda log: log.accepted(ENVELOPE, ["a@x.example"], KNOWN, None, queue_id="Q1", seconds=0.1),
    "accepted by several": lambda log: log.accepted(
        ENVELOPE, ["a@x.example", "b@x.example"], KNOWN, None, queue_id="Q1", seconds=0.1
    ),
    "passed": lambda log: log.accepted(
        ENVELOPE,
        ["a@x.example"],
        KNOWN,
        Verdict(action=Action.ACCEPT, standing=Standing(state=State.PASSED, group="spf:honest.example", rows={})),
        queue_id="Q1",
        seconds=0.1,
    ),
    "abandoned": lambda log: log.abandoned(ENVELOPE, ["a@x.example"], {}, seconds=0.0),
    "greylisted": lambda log: log.refused(ENVELOPE, ["a@x.example"], KNOWN, WAIT, REPLY, seconds=0.1),
    "rejected": lambda log: log.refused(
        ENVELOPE, ["a@x.example"], KNOWN, Verdict(action=Action.REJECT, because=(SPF, BLOCKED)), REPLY, seconds=0.1
    ),
    "deferred": lambda log: log.refused(
        ENVELOPE, ["a@x.example"], {}, Verdict(action=Action.TEMPFAIL, because=(SPF,)), REPLY, seconds=0.1
    ),
    "observed": lambda log: log.observed(ENVELOPE, ["a@x.example"], KNOWN, WAIT, REPLY, queue_id="Q", seconds=0.1),
    "observed and abandoned": lambda log: log.observed(
        ENVELOPE, ["a@x.example"], KNOWN, WAIT, REPLY, queue_id=None, seconds=0.1
    ),
}


@pytest.mark.parametrize("what", OF_THE_SERVICE)
def test_what_the_service_writes_is_of_the_usual_form_and_taken_for_what_it_says(
    what: str, others: list[bytes]
) -> None:
    stream = Stream()
    OF_THE_SERVICE[what](telemetry_to(stream))
    text = stream.getvalue().rstrip("\n")
    assert shown(figures(text)) == shown(slowly([text]))
    assert figures(text).total == 1
    assert not others


@pytest.mark.parametrize(
    "before", ["", "Nov 21 00:53:07 mx milter64[812]: ", "2026-11-21T00:53:07.644Z mx milter64[1]: "]
)
def test_what_a_syslog_puts_before_a_line_changes_nothing(before: str, others: list[bytes]) -> None:
    text = line("rejected", more=REFUSED)
    assert shown(figures(before + text)) == shown(figures(text))
    assert not others


@pytest.mark.parametrize(
    "text",
    [
        line(helo='"a b"'),
        line(from_='"<\\"a b\\"@x.example>"'),
        line(more='because="say \\"no\\""'),
        line(more='rate="a b"'),
        'time=2026-11-21T00:53:07.644Z level=warning event="dns list" list=zen trouble="no answer"',
        '{"time": "2026-11-21T00:53:07.644Z", "level": "info", "event": "accepted", "from": "<a@b>", "to": "<c@d>"}',
    ],
)
def test_a_line_of_another_form_is_left_to_those_who_read_anything(text: str, others: list[bytes]) -> None:
    assert shown(figures(text)) == shown(slowly([text]))
    assert others == [f"{text}\n".encode()]


def test_another_event_of_the_same_form_is_no_decision() -> None:
    assert figures(line("told")).total == 0


@pytest.mark.parametrize("stamp", ["2026-99-21T00:53:07.644Z", "0000-00-00T00:00:00.000Z", "-------------:00:00.000Z"])
def test_a_time_that_there_is_not_is_counted_as_unreadable(stamp: str) -> None:
    taken = figures(line(at=stamp), line())
    assert (taken.total, taken.others) == (1, 1)


@pytest.mark.parametrize(
    "text", ["", "Nov 21 00:53:07 mx postfix/smtpd[1]: connect from a[192.0.2.1]", "{", "time=", "\x00"]
)
def test_lines_of_others_are_counted_as_that(text: str) -> None:
    taken = figures(text, line())
    assert (taken.total, taken.others) == (1, bool(text))


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("2026-11-20T00:00:00Z", "2026-11-29T00:00:00Z", [21, 22, 23]),
        ("2026-11-21T10:00:00Z", "2026-11-23T10:00:00Z", [21, 22]),
        ("2026-11-21T10:00:00.5Z", "2026-11-23T10:00:00.5Z", [22, 23]),
        ("1970-01-01T00:00:00Z", "2026-11-22T10:00:00Z", [21]),
        ("2026-11-22T10:00:00Z", "9999-11-22T10:00:00Z", [22, 23]),
        ("2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z", []),
    ],
)
@pytest.mark.parametrize("more", ["spf=pass", 'rate="a b"'])
def test_a_span_of_time_has_its_first_moment_and_not_its_last(
    since: str, until: str, days: list[int], more: str
) -> None:
    texts = [line(at=f"2026-11-{day}T10:00:00.000Z", more=more) for day in (21, 22, 23)]
    taken = Figures(1.0)
    begin, end = (datetime.fromisoformat(text).timestamp() for text in (since, until))
    reading.read([f"{text}\n".encode() for text in texts], taken, begin, end)
    taken.finish()
    assert sorted(datetime.fromtimestamp(hour, UTC).day for hour in taken.hours) == days
    assert taken.total == len(days)


def test_a_quoted_line_in_a_line_is_no_line() -> None:
    quoted = line(helo=f'"{line("rejected", more="spf=fail")}"')
    taken = figures(quoted)
    assert taken.by("event") == {"accepted": 1}


_DAY = "2026-11-21T"
_LINES = st.lists(
    st.builds(
        lambda what, who, to, more: (what, who, to, more),
        st.sampled_from(["accepted", "greylisted", "rejected", "abandoned", "deferred", "told"]),
        st.sampled_from(["a", "b", '"c d"', "e=f"]),
        st.sampled_from(["<x@here.example>", "<x@here.example>,<y@here.example>", "<y@here.example>"]),
        st.sampled_from(
            ["spf=pass", REFUSED, PUT_OFF, "", f"{PUT_OFF} observe=greylisted", f"{REFUSED} observe=rejected"]
        ),
    ),
    max_size=30,
)


def _written(what: str, who: str, to: str, more: str, minute: int) -> str:
    sender = (
        f'"<{who}@x.example>"'.replace('""', '"')
        if "=" in who
        else f"<{who}@x.example>"
        if " " not in who
        else '"<c d@x.example>"'
    )
    return line(what, at=f"{_DAY}{minute // 6:02}:{minute % 6}0:00.000Z", more=more, from_=sender, to=to)


@given(_LINES)
def test_however_a_line_is_read_the_figures_are_the_same(lines: list[tuple[str, str, str, str]]) -> None:
    texts = [_written(*each, minute) for minute, each in enumerate(lines)]
    assert shown(figures(*texts)) == shown(slowly(texts))


@given(_LINES, st.lists(st.integers(0, 30)))
def test_the_figures_of_a_log_are_the_same_in_whatever_blocks_it_comes(
    lines: list[tuple[str, str, str, str]], cuts: list[int]
) -> None:
    texts = [f"{_written(*each, minute)}\n".encode() for minute, each in enumerate(lines)]
    places = sorted({0, len(texts), *(cut for cut in cuts if cut < len(texts))})
    blocks = [b"".join(texts[begin:end]) for begin, end in pairwise(places)]
    assert shown(of_blocks(blocks)) == shown(of_blocks([b"".join(texts)]))


def test_a_clock_that_has_just_begun_loses_no_line() -> None:
    taken = figures(line(at="1970-01-01T00:00:08.000Z"), line(at="1970-01-01T00:00:09.000Z"))
    assert (taken.total, taken.others, taken.first_at) == (2, 0, 8)


def test_a_line_of_another_hour_does_not_take_those_behind_it_along() -> None:
    late = line("rejected", at="2026-11-21T09:59:59.000Z", more=REFUSED, from_='"<c d@x.example>"')
    texts = [line(at="2026-11-21T10:00:00.000Z"), late, line(at="2026-11-21T10:01:00.000Z")]
    assert shown(of_blocks(["".join(f"{text}\n" for text in texts).encode()])) == shown(slowly(texts))


def test_reasons_that_strangers_make_up_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHAPES", 10)
    texts = [
        line("rejected", more=f'spf=fail because="spf fail: x; spf a{number}: y" reply="550 5.7.23"')
        for number in range(100)
    ]
    for taken in (figures(*texts), slowly(texts)):
        assert (taken.count("rejected"), taken.by("found")["spf=fail"]) == (100, 100)
        assert taken.by("why").most_common(1) == [("other", 90)]


def test_no_more_kinds_are_held_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHAPES", 10)
    taken = Figures(1.0)
    kinds = {id(taken.kind(Shape("rejected", "", "ipv4", "spf=fail", f"spf a{number}", ""))) for number in range(100)}
    assert len(kinds) == 11
