"""docs/verdicts.md and docs/greylisting.md list what replies, log lines and their words there are."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from milter64.address.client import Origin
from milter64.address.translator import Translator
from milter64.checks import unreadable_mailbox as paths
from milter64.config.settings import Settings
from milter64.greylist.attempt import Standing, State
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Key
from milter64.mail.session import Envelope, Session
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import NOT_READY, one_at_a_time, reply, trouble
from milter64.telemetry.log import Telemetry
from milter64.telemetry.settings import Settings as LogSettings
from rig.pages import blocks, chapter, page, quoted, table

VERDICTS = page("verdicts")
SESSION = Session(
    token="1a2b3c4d",
    client=Translator().client("192.31.196.10"),
    port=2525,
    helo="mail.example.org",
    mta="mx.example.org",
)
ENVELOPE = Envelope(session=SESSION, sender="a@example.org", login="")
QUESTIONS: list[Key] = [
    ("spf", "smtp.mailfrom"),
    ("spf", "smtp.helo"),
    ("iprev", "policy.iprev"),
    ("helo", "smtp.helo"),
    ("dmarc", "smtp.mailfrom"),
    ("dnsbl", "bl.example"),
    ("dnswl", "wl.example"),
]


def finding(key: Key, result: str) -> Finding:
    return Finding(check=key[0], property=key[1], result=result, reason="a reason")


WAITING = Standing(state=State.WAITING, seconds=60, group="net:192.31.196.0/24", rows={})
FINDINGS = {key: finding(key, "fail") for key in QUESTIONS}


EXCESS = [finding(("rate", kind), "ipv4/32") for kind in ("sessions", "recipients", "refused_recipients")]


def refusals() -> Iterator[str]:
    """Yield the codes of every reply that there is."""
    results = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")
    causes = [(finding(key, result),) for key in QUESTIONS for result in results]
    verdicts = [
        Verdict(action=action, because=because)
        for action in (Action.TEMPFAIL, Action.REJECT)
        for because in (*causes, tuple(FINDINGS.values()))
    ]
    verdicts += [Verdict(action=Action.TEMPFAIL, because=(each,)) for each in EXCESS]
    busy = Verdict(action=Action.TEMPFAIL, busy=True)
    for verdict in (*verdicts, busy, Verdict(action=Action.GREYLIST, standing=WAITING)):
        answer = reply(verdict, ENVELOPE)
        assert answer
        yield f"{answer.code} {answer.status}"
    unreadable = (paths.sender(replace(ENVELOPE, readable=False), frozenset()), paths.recipient("<>"))
    for each in unreadable:
        assert each
        answer = reply(Verdict(action=Action.REJECT, because=(each,)), ENVELOPE)
        assert answer
        yield f"{answer.code} {answer.status}"
    for answer in (trouble("1a2b3c4d"), one_at_a_time("1a2b3c4d"), NOT_READY):
        yield f"{answer.code} {answer.status}"


def test_the_codes_of_every_reply_are_listed_and_no_other() -> None:
    listed = [codes for row in table(VERDICTS, "why") for codes in row[1:] if codes]
    assert sorted(listed) == sorted(set(refusals()))


def test_every_field_and_event_of_the_log_is_explained_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    log = Telemetry(LogSettings(format="json"))
    to = ["b@example.org"]
    for action in (Action.GREYLIST, Action.TEMPFAIL, Action.REJECT):
        verdict = Verdict(action=action, because=tuple(FINDINGS.values()), standing=WAITING)
        log.refused(ENVELOPE, to, FINDINGS, verdict, NOT_READY, seconds=0.1)
        log.observed(ENVELOPE, to, FINDINGS, verdict, NOT_READY, queue_id="4jWYbR3kztzJ9Qt", seconds=0.1)
    busy = Verdict(action=Action.TEMPFAIL, busy=True)
    log.refused(ENVELOPE, to, FINDINGS, busy, NOT_READY, seconds=0.1)
    log.accepted(ENVELOPE, to, FINDINGS, None, queue_id="4jWYbR3kztzJ9Qt", seconds=0.1)
    unreadable = paths.sender(replace(ENVELOPE, readable=False), frozenset())
    assert unreadable
    more = {each.key: each for each in (unreadable, *EXCESS)}
    log.abandoned(ENVELOPE, to, FINDINGS | more, seconds=0.1)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    fields = {name: meaning for names, meaning in table(VERDICTS, "field") for name in quoted(names)}
    assert fields.keys() == {name for line in lines for name in line}
    assert set(quoted(fields["event"])) == {line["event"] for line in lines}


@pytest.mark.parametrize(
    ("name", "head", "words"),
    [
        ("verdicts", "`origin`", list(Origin)),
        ("greylisting", "`greylist`", [state.value for state in State]),
    ],
)
def test_every_word_of_a_field_is_explained(name: str, head: str, words: list[str]) -> None:
    assert [word for cell, _ in table(page(name), head) for word in quoted(cell)] == words


def test_the_lines_of_the_log_are_of_one_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    postfix, ours = blocks(chapter(VERDICTS, "The log"), "text")[0].split("\n\n")
    fields = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', ours))
    client = Settings().translator().client(fields["wire"])
    assert (fields["client"], fields["origin"], fields["ban"]) == (client.address, client.origin, fields["wire"])
    session = Session(
        token=fields["session"], client=client, port=int(fields["port"]), helo=fields["helo"], mta="mx.example.org"
    )
    envelope = Envelope(session=session, sender=fields["from"][1:-1], login="")
    reason = fields["because"].strip('"').removeprefix("spf fail: ")
    found = [
        Finding(check="spf", property="smtp.helo", result=fields["spf_helo"], reason=""),
        Finding(check="spf", property="smtp.mailfrom", result=fields["spf"], reason=reason),
        Finding(check="iprev", property="policy.iprev", result=fields["iprev"], reason=""),
    ]
    verdict = Verdict(action=Action.REJECT, because=(found[1],))
    answer = reply(verdict, envelope)
    assert answer
    assert f": {answer.code} {answer.status} {answer.text}; from=" in " ".join(postfix.split())
    to = [fields["to"][1:-1]]
    findings = {each.key: each for each in found}
    Telemetry(LogSettings()).refused(envelope, to, findings, verdict, answer, seconds=0.0242)
    said = re.sub("time=[^ ]+", f"time={fields['time']}", capsys.readouterr().err)
    assert said.split() == ours.split()
