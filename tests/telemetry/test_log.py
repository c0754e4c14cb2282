import re
from collections.abc import Callable
from dataclasses import replace
from select import PIPE_BUF

import pytest

from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.policy.decision import Verdict
from milter64.telemetry.log import Telemetry
from rig.envelopes import envelope
from rig.loglines import ENVELOPE, FORMATS, KNOWN, REPLY, SPF, Format, Level, Stream, fail, parsed, refuse, telemetry_to

EVIL = 'a b="c"\\ \r\nlevel=error event=forged\x1b[31m\x00\u2028\udcff'


@pytest.fixture
def stderr() -> Stream:
    return Stream()


@pytest.mark.parametrize("layout", FORMATS)
def test_a_line_says_who_called_what_was_found_and_what_decided(stderr: Stream, layout: Format) -> None:
    refuse(telemetry_to(stderr, layout=layout))
    line = parsed(stderr.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("time"))
    assert {key: str(value) for key, value in line.items()} == {
        "level": "info",
        "event": "greylisted",
        "session": "T",
        "client": "192.31.196.10",
        "wire": "64:ff9b::c01f:c40a",
        "port": "0",
        "origin": "translated",
        "helo": "mail.honest.example",
        "from": "<joe@honest.example>",
        "to": "<b@lab.example>",
        "spf": "softfail",
        "spf_helo": "none",
        "iprev": "pass",
        "because": "spf softfail: 192.31.196.10 is probably not permitted",
        "greylist": "waiting",
        "group": "net:192.31.196.0/24",
        "wait": "7",
        "reply": "450 4.7.1",
        "ms": "12.3",
    }


def test_findings_of_a_check_that_may_have_several_are_one_field_that_needs_no_quotes(stderr: Stream) -> None:
    several = [
        Finding(check="dnsbl", property="zen.example", result="none", reason="zen.example lists nobody"),
        Finding(check="dnsbl", property="dbl.example/sender", result="listed", reason="dbl.example lists somebody"),
    ]
    known = {each.key: each for each in (SPF, *several)}
    telemetry_to(stderr).accepted(ENVELOPE, ["b@lab.example"], known, None, queue_id="Q", seconds=0.0)
    assert " dnsbl=zen.example:none,dbl.example/sender:listed " in stderr.getvalue()


def test_a_logfmt_line_begins_with_time_level_and_event(stderr: Stream) -> None:
    refuse(telemetry_to(stderr))
    assert re.match(r"time=\S+ level=info event=greylisted ", stderr.getvalue())


@pytest.mark.parametrize("fields", [{"reason": "", "more": "a"}, {"more": "a", "reason": ""}])
def test_an_empty_value_can_be_seen(stderr: Stream, fields: dict[str, str]) -> None:
    telemetry_to(stderr).info("told", **fields)
    assert 'reason=""' in stderr.getvalue()


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("value", ["a b\\", 'a "b"', "a\\b", "a=b", ""])
def test_a_value_is_read_as_it_was_written(stderr: Stream, layout: Format, value: str) -> None:
    telemetry_to(stderr, layout=layout).info("told", reason=value)
    assert parsed(stderr.getvalue())["reason"] == value


@pytest.mark.parametrize(
    ("action", "event"),
    [(Action.GREYLIST, "greylisted"), (Action.TEMPFAIL, "deferred"), (Action.REJECT, "rejected")],
)
def test_each_refusal_has_its_event(stderr: Stream, action: Action, event: str) -> None:
    refuse(telemetry_to(stderr), Verdict(action=action, because=(SPF,)))
    assert parsed(stderr.getvalue())["event"] == event


def test_being_too_busy_is_an_event_of_its_own(stderr: Stream) -> None:
    refuse(telemetry_to(stderr), Verdict(action=Action.TEMPFAIL, busy=True))
    assert parsed(stderr.getvalue())["event"] == "busy"


@pytest.mark.parametrize(("queue_id", "event"), [("4jWYbR3kztzJ9Qt", "accepted"), (None, "abandoned")])
@pytest.mark.parametrize(("action", "observe"), [(Action.GREYLIST, "greylisted"), (Action.REJECT, "rejected")])
def test_what_was_only_observed_says_what_was_and_what_would_have_been(
    stderr: Stream, queue_id: str | None, event: str, action: Action, observe: str
) -> None:
    verdict = Verdict(action=action, because=(SPF,))
    telemetry_to(stderr).observed(
        ENVELOPE, ["b@lab.example", "c@lab.example"], KNOWN, verdict, REPLY, queue_id=queue_id, seconds=0
    )
    line = parsed(stderr.getvalue())
    assert (line["event"], line.get("queue"), line["observe"]) == (event, queue_id, observe)
    assert (line["to"], line["reply"]) == ("<b@lab.example>,<c@lab.example>", "450 4.7.1")
    assert line["because"].startswith("spf softfail: ")
    assert "ban" not in line


@pytest.mark.parametrize(
    ("wire", "action", "ban"),
    [
        ("64:ff9b::c01f:c40a", Action.REJECT, "64:ff9b::c01f:c40a"),
        ("2001:db8:6::25", Action.REJECT, "2001:db8:6::/64"),
        ("64:ff9b::c01f:c40a", Action.TEMPFAIL, None),
        ("64:ff9b::c01f:c40a", Action.GREYLIST, None),
        ("64:ff9b::7f00:1", Action.REJECT, None),
    ],
)
def test_whom_we_have_refused_for_good_a_firewall_may_keep_out(
    stderr: Stream, wire: str, action: Action, ban: str | None
) -> None:
    sent = envelope(wire, "mail.honest.example", "joe@honest.example")
    refuse(telemetry_to(stderr), Verdict(action=action, because=(SPF,)), sent)
    assert parsed(stderr.getvalue()).get("ban") == ban


@pytest.mark.parametrize("layout", FORMATS)
def test_whom_to_keep_out_stands_before_all_that_a_stranger_has_said(stderr: Stream, layout: Format) -> None:
    refuse(telemetry_to(stderr, layout=layout), Verdict(action=Action.REJECT, because=(SPF,)))
    assert list(parsed(stderr.getvalue()))[:5] == ["time", "level", "event", "ban", "session"]


LONG = [text * 2000 for text in ("x", '"', "\\", "a b", "=", "\x1b\udcff", "ä")]


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("text", LONG)
def test_no_line_is_longer_than_a_pipe_takes_whole(stderr: Stream, layout: Format, text: str) -> None:
    telemetry = telemetry_to(stderr, layout=layout)
    sent = replace(ENVELOPE, sender=text, session=replace(ENVELOPE.session, helo=text))
    verdict = Verdict(action=Action.REJECT, because=(replace(SPF, reason=text), replace(SPF, reason=text)))
    telemetry.refused(sent, [text] * 100, KNOWN, verdict, REPLY, seconds=0)
    telemetry.warning("greylist", trouble=text, remedy=text, what=text, where=text)
    try:
        fail(text)
    except ValueError:
        telemetry.exception("fault", where=text)
    lines = stderr.getvalue().splitlines()
    assert max(map(len, lines)) < PIPE_BUF
    assert [parsed(line)["event"] for line in lines] == ["rejected", "greylist", "fault"]
    assert parsed(lines[0])["reply"] == "450 4.7.1"


def test_an_acceptance_names_the_queue_id_and_all_recipients(stderr: Stream) -> None:
    telemetry_to(stderr).accepted(ENVELOPE, ["b@x.example", "c@x.example"], KNOWN, None, queue_id="4jX", seconds=0)
    line = parsed(stderr.getvalue())
    assert (line["event"], line["queue"], line["to"]) == ("accepted", "4jX", "<b@x.example>,<c@x.example>")
    assert not line.keys() & {"because", "greylist", "reply"}


def test_many_recipients_are_cut_short(stderr: Stream) -> None:
    many = [f"{number}@lab.example" for number in range(1000)]
    telemetry_to(stderr).abandoned(ENVELOPE, many, KNOWN, seconds=0)
    line = parsed(stderr.getvalue())
    assert line["event"] == "abandoned"
    assert len(line["to"]) <= 1000
    assert line["to"].endswith("...")


@pytest.mark.parametrize("layout", FORMATS)
def test_a_strangers_text_stays_in_its_field_and_on_its_line(stderr: Stream, layout: Format) -> None:
    telemetry = telemetry_to(stderr, layout=layout)
    sent = replace(ENVELOPE, sender=EVIL, session=replace(ENVELOPE.session, helo=EVIL))
    because = (replace(SPF, reason="well"),)
    telemetry.accepted(sent, [EVIL], KNOWN, Verdict(action=Action.ACCEPT, because=because), queue_id=EVIL, seconds=0)
    refuse(telemetry, Verdict(action=Action.REJECT, because=because), sent)
    telemetry.abandoned(sent, [EVIL], KNOWN, seconds=0)
    telemetry.warning("greylist", trouble=EVIL)
    lines = stderr.getvalue().splitlines()
    clean = 'a b="c"\\ level=error event=forged?[31m?'
    assert [parsed(line)["event"] for line in lines] == ["accepted", "rejected", "abandoned", "greylist"]
    assert all(re.fullmatch(r"[ -~]+", line) for line in lines)
    accepted = parsed(lines[0])
    assert [accepted[key] for key in ("queue", "helo", "from", "to")] == [clean, clean, f"<{clean}>", f"<{clean}>"]
    assert parsed(lines[-1])["trouble"] == clean


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["info", "warning", "error", "exception"]),
        ("info", ["info", "warning", "error", "exception"]),
        ("warning", ["warning", "error", "exception"]),
        ("error", ["error", "exception"]),
    ],
)
def test_a_level_keeps_what_is_less_out_of_the_log(stderr: Stream, level: Level, events: list[str]) -> None:
    telemetry = telemetry_to(stderr, level=level)
    try:
        fail()
    except ValueError:
        for say in (telemetry.info, telemetry.warning, telemetry.error, telemetry.exception):
            say(say.__name__, number=1)
    lines = list(map(parsed, stderr.getvalue().splitlines()))
    assert [line["event"] for line in lines] == events
    assert [line["level"] for line in lines] == ["error" if event == "exception" else event for event in events]


@pytest.mark.parametrize("layout", FORMATS)
def test_a_traceback_keeps_a_strangers_text_on_its_line_and_its_own_end(stderr: Stream, layout: Format) -> None:
    try:
        fail("x" * 5000 + EVIL)
    except ValueError:
        telemetry_to(stderr, layout=layout).exception("fault", where="envrcpt")
    [line] = stderr.getvalue().splitlines()
    assert re.fullmatch(r"[ -~]+", line)
    said = parsed(line)["exception"].replace("\\n", "\n")
    assert said.endswith('xa b="c"\\ ?\nlevel=error event=forged?[31m?')


@pytest.mark.parametrize("layout", FORMATS)
def test_a_traceback_is_one_line_with_the_rest(stderr: Stream, layout: Format) -> None:
    try:
        fail()
    except ValueError:
        telemetry_to(stderr, layout=layout).exception("fault", where="envrcpt")
    [line] = stderr.getvalue().splitlines()
    said = parsed(line)
    assert (said["event"], said["level"], said["where"]) == ("fault", "error", "envrcpt")
    assert said["exception"].startswith("Traceback")
    assert said["exception"].endswith("ValueError: of our own making")


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize(
    "say",
    [refuse, lambda telemetry: telemetry.info("ready", workers=2)],
    ids=["a refusal", "a word"],
)
def test_each_line_is_one_write(stderr: Stream, layout: Format, say: Callable[[Telemetry], None]) -> None:
    say(telemetry_to(stderr, layout=layout))
    [write] = stderr.writes
    assert write.endswith("\n")
    assert write.count("\n") == 1


def test_what_is_the_admins_business_is_told_beside_the_reason(stderr: Stream) -> None:
    trouble = replace(SPF, result="temperror", reason="TXT x.example: SERVFAIL", facts=(("aside", "[::1]:53"),))
    refuse(telemetry_to(stderr), Verdict(action=Action.TEMPFAIL, because=(trouble,)))
    assert parsed(stderr.getvalue())["because"] == "spf temperror: TXT x.example: SERVFAIL ([::1]:53)"
