"""A log that keeps people to itself."""

import re
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.greylist.attempt import Standing, State
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.policy.decision import Verdict
from milter64.telemetry.log import Telemetry
from milter64.telemetry.settings import Settings
from rig.direct import Message
from rig.lab import Lab
from rig.loglines import ENVELOPE, FORMATS, IPREV, KNOWN, REPLY, SPF, Format, Stream, fail, parsed, refuse, telemetry_to
from rig.service import Milter64


@pytest.fixture
def stderr() -> Stream:
    return Stream()


def test_people_can_be_kept_out_of_the_log_and_yet_told_apart(stderr: Stream) -> None:
    telemetry = telemetry_to(stderr, privacy="hash")
    for sender in ("joe@honest.example", "joe@honest.example", "ann@honest.example", ""):
        refuse(telemetry, sent=replace(ENVELOPE, sender=sender))
    first, again, other, null = (parsed(line)["from"] for line in stderr.getvalue().splitlines())
    assert re.fullmatch(r"<[0-9a-f]{16}@honest\.example>", first)
    assert first == again != other
    assert null == "<>"
    assert not re.search(r"joe|ann|<b@", stderr.getvalue())


PATH = Finding(check="path", property="smtp.mailfrom", result="unreadable", reason="<a joe.bloggs> is none")
MACRO = replace(SPF, result="permerror", reason="no SPF record at sggolb.eoj.x", facts=(("local-part", "yes"),))
MALFORMED = Finding(check="helo", property="smtp.helo", result="malformed", reason="joe.bloggs is no name")


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize(
    ("helo", "sender", "recipient", "because"),
    [
        ("joe.bloggs", "joe.bloggs@honest.example", "b@lab.example", SPF),
        ("pc.joe-bloggs.example", "a@honest.example", "Joe.Bloggs@lab.example", SPF),
        ("joe.bloggs@lab.example", "", "b@lab.example", SPF),
        ("joe.bloggs", "joe.bloggs@honest.example", "b@lab.example", MALFORMED),
        ("mail.example", "joe.bloggs@honest.example", "b@lab.example", MACRO),
        ("mail.example", "<a joe.bloggs>", "b@lab.example", PATH),
        ("mail.example", "a@honest.example", '"x@joe.bloggs"', SPF),
        ("mail.example", "", "joe.bloggs@lab.example", replace(SPF, reason="no SPF record at joe.bloggs.example")),
    ],
)
def test_no_local_part_gets_into_such_a_log(
    stderr: Stream, layout: Format, helo: str, sender: str, recipient: str, *, because: Finding
) -> None:
    telemetry = telemetry_to(stderr, layout=layout, privacy="hash")
    sent = replace(ENVELOPE, sender=sender, session=replace(ENVELOPE.session, helo=helo))
    standing = Standing(state=State.WAITING, seconds=7, group=f"spf:{helo}", rows={})
    verdict = Verdict(action=Action.REJECT, because=(because, IPREV), standing=standing)
    telemetry.refused(sent, [recipient], KNOWN, verdict, REPLY, seconds=0)
    telemetry.accepted(sent, [recipient], KNOWN, verdict, queue_id="4jX", seconds=0)
    telemetry.abandoned(sent, [recipient], KNOWN, seconds=0)
    assert not re.search("bloggs|sggolb", stderr.getvalue(), re.IGNORECASE)
    assert f"{because.check} {because.result}" in stderr.getvalue()


def test_what_tells_nobody_stays_in_it(stderr: Stream) -> None:
    refuse(telemetry_to(stderr, privacy="hash"))
    line = parsed(stderr.getvalue())
    assert (line["helo"], line["group"]) == ("mail.honest.example", "net:192.31.196.0/24")
    assert line["because"] == "spf softfail: 192.31.196.10 is probably not permitted"


@pytest.mark.parametrize("layout", FORMATS)
def test_nor_does_a_traceback_or_a_warning_tell_any(stderr: Stream, layout: Format) -> None:
    telemetry, name = telemetry_to(stderr, layout=layout, privacy="hash"), "".join(reversed("sggolb.eoj"))
    try:
        try:
            fail(name)
        except ValueError as error:
            raise OSError(28, "No space left on device", name) from error
    except OSError:
        telemetry.exception("fault", where="joe.bloggs@x.example")
    telemetry.warning("greylist", trouble="UnicodeEncodeError('utf-8', '<joe.bloggs@x.example>', 0, 1, 'none')")
    telemetry.info("ready", socket="inet:8864@localhost")
    fault, _, ready = map(parsed, stderr.getvalue().splitlines())
    assert "bloggs" not in stderr.getvalue()
    assert re.search(r"in fail.*ValueError\W+n?Traceback.*No space left on device$", fault["exception"], re.DOTALL)
    assert ready["socket"] == "inet:8864@localhost"


def test_pseudonyms_outlast_a_restart_and_are_none_of_another_hosts(stderr: Stream, tmp_path: Path) -> None:
    for host in ("here", "here", "there"):
        (tmp_path / host).mkdir(exist_ok=True)
        with redirect_stderr(stderr):
            refuse(Telemetry(Settings(privacy="hash"), store=f"sqlite:{tmp_path / host / 'rows'}"))
    first, again, elsewhere = (parsed(line)["from"] for line in stderr.getvalue().splitlines())
    assert first == again != elsewhere


def test_a_key_that_cannot_be_kept_is_said_and_serves_all_the_same(stderr: Stream, tmp_path: Path) -> None:
    with redirect_stderr(stderr):
        telemetry = Telemetry(Settings(privacy="hash"), store=f"sqlite:{tmp_path / 'missing' / 'rows'}")
    refuse(telemetry)
    warning, line = map(parsed, stderr.getvalue().splitlines())
    assert (warning["event"], "No such file" in warning["trouble"]) == ("privacy", True)
    assert re.fullmatch(r"<[0-9a-f]{16}@honest\.example>", line["from"])


def test_all_workers_have_one_key_and_so_has_the_service_after_its_restart(lab: Lab) -> None:
    settings = f'[greylist]\nstore = "sqlite:{lab.folder}/rows"\n[log]\nprivacy = "hash"\n[milter]\nworkers = 2\n'
    senders = set()
    for _ in range(2):
        milter = lab.start(Milter64, settings)
        for _ in range(8):  # over both workers
            Message(address="127.0.0.1", sender="joe@honest.example").send(milter)
        milter.stop()
        lines = [line["from"] for line in milter.log if line["event"] == "accepted"]
        assert len(lines) == 8
        senders |= set(lines)
    assert len(senders) == 1
    assert "joe" not in senders.pop()
