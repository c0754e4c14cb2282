"""The log written into memory, and what is to be written."""

import io
import json
import shlex
from contextlib import redirect_stderr
from typing import Any, Literal

from milter64.greylist.attempt import Standing, State
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import Reply
from milter64.telemetry.log import Telemetry
from milter64.telemetry.settings import Settings
from rig.envelopes import envelope

Format = Literal["logfmt", "json"]
Level = Literal["debug", "info", "warning", "error"]
FORMATS: list[Format] = ["logfmt", "json"]
ENVELOPE = envelope("64:ff9b::c01f:c40a", "mail.honest.example", "joe@honest.example")
SPF = Finding(
    check="spf", property="smtp.mailfrom", result="softfail", reason="192.31.196.10 is probably not permitted"
)
SPF_HELO = Finding(check="spf", property="smtp.helo", result="none")
IPREV = Finding(check="iprev", property="policy.iprev", result="pass")
KNOWN = {finding.key: finding for finding in (SPF, SPF_HELO, IPREV)}
WAIT = Verdict(
    action=Action.GREYLIST,
    because=(SPF,),
    standing=Standing(state=State.WAITING, seconds=7, group="net:192.31.196.0/24", rows={}),
)
REPLY = Reply(code="450", status="4.7.1", text="Greylisted")


class Stream(io.StringIO):
    """What is written to standard error, and how."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return super().write(text)


def telemetry_to(
    stderr: Stream, *, level: Level = "info", layout: Format = "logfmt", privacy: Literal["full", "hash"] = "full"
) -> Telemetry:
    with redirect_stderr(stderr):
        return Telemetry(Settings(level=level, format=layout, privacy=privacy))


def fail(text: str = "of our own making") -> None:
    raise ValueError(text)


def parsed(line: str) -> dict[str, Any]:
    """Read a line in either format."""
    if line.startswith("{"):
        return dict(json.loads(line))
    return dict(word.split("=", 1) for word in shlex.split(line))


def refuse(telemetry: Telemetry, verdict: Verdict = WAIT, sent: Envelope = ENVELOPE) -> None:
    telemetry.refused(sent, ["b@lab.example"], KNOWN, verdict, REPLY, seconds=0.01234)
