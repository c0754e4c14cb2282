"""The log: one line for every final outcome, and one for whatever else an admin should know.

Called by the engine, the supervisor and the worker alone; checks neither log nor count.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Literal

import structlog

from milter64.lines import LONGEST, Lines
from milter64.metrics import Tally
from milter64.policy import Verdict
from milter64.session import Envelope, split
from milter64.text import clean
from milter64.verdict import Action, Finding, Findings, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["logfmt", "json"] = "logfmt"
    privacy: Literal["full", "hash"] = "full"


_EVENTS = {Action.GREYLIST: "greylisted", Action.TEMPFAIL: "deferred", Action.REJECT: "rejected"}
_WIDTHS = (1000, 500, 250, 100)
"""Characters of one value in a log line: many recipients are cut here. Where the whole is too long, the next counts."""
_TRACEBACK = 3
"""Values that a traceback is as long as."""


Fields = dict[str, Any]
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Telemetry:
    """Lays log lines out; the time in a line is that of the event.

    structlog's parts are called directly: its bound loggers take a tenth of a whole acceptance.
    """

    def __init__(self, settings: Settings, tally: Tally | None = None) -> None:
        """Write to standard error, laid out as `settings` say, and count outcomes in a tally."""
        self.tally = tally
        self._private = settings.privacy == "hash"
        self._least = getattr(logging, settings.level.upper())
        self._render = _json if settings.format == "json" else _logfmt
        self._lines = Lines(sys.stderr, self._lost)

    def behind(self) -> AbstractContextManager[None]:
        """Have a thread lay out and write all lines meanwhile."""
        return self._lines.behind()

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return how many lines wait to be written, and how many may."""
        return {"log_lines": self._lines.bound}

    def info(self, event: str, **fields: object) -> None:
        """Log something that is worth knowing."""
        self._line("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log something that an admin should look at."""
        if self.tally:
            self.tally.warned(event)
        self._line("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log something that an admin must look at."""
        self._line("error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Log our own fault, with the traceback of the exception that is being handled."""
        self._line("error", event, structlog.processors.format_exc_info(None, "error", {**fields, "exc_info": True}))

    def refused(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict,
        reply: Reply,
        *,
        seconds: float,
        observe: bool,
    ) -> None:
        """Log the refusal of recipients, final or for now."""
        first, more = _NOTHING, {"reply": f"{reply.code} {reply.status}"}
        if observe:
            more["observe"] = "nothing was refused"
        elif verdict.action is Action.REJECT and (ban := envelope.session.client.ban):
            first = {"ban": ban}
        event = "busy" if verdict.busy else _EVENTS[verdict.action]
        self._outcome(event, first, envelope, recipients, known, verdict, seconds, more)
        if self.tally:
            self.tally.refused(envelope, recipients, known, verdict, seconds, observe=observe)

    def accepted(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict | None,
        *,
        queue_id: str,
        seconds: float,
    ) -> None:
        """Log the acceptance of a message for all its recipients; `seconds` is what we took for all of them."""
        self._outcome("accepted", {"queue": queue_id}, envelope, recipients, known, verdict, seconds)
        if self.tally:
            self.tally.accepted(envelope, recipients, known, seconds)

    def abandoned(self, envelope: Envelope, recipients: Collection[str], known: Findings, *, seconds: float) -> None:
        """Log a transaction whose accepted recipients never got a message."""
        self._outcome("abandoned", _NOTHING, envelope, recipients, known, None, seconds)
        if self.tally:
            self.tally.abandoned(envelope, recipients, known, seconds)

    def _line(self, level: str, event: str, more: Mapping[str, object]) -> None:
        if _LEVELS[level] >= self._least:
            fields = {"time": time.time_ns(), "level": level, "event": event, **more}
            self._lines.put(partial(self._render, fields))

    def _lost(self, number: int) -> str:
        why = "they could not be written as fast as they came"
        fields = {"time": time.time_ns(), "level": "warning", "event": "log lines lost", "lines": number, "why": why}
        return self._render(fields)

    def _outcome(  # noqa: PLR0913, PLR0917  a log line says much
        self,
        event: str,
        first: Mapping[str, str],
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict | None,
        seconds: float,
        more: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Have the line of an outcome written; all that it speaks of doesn't change any more.

        `first` are fields that stand before all that a stranger has said, wherever the line may be cut on its way.
        """
        if self._least <= logging.INFO:
            head = time.time_ns(), event, first
            facts = envelope, tuple(recipients), known, verdict, more, seconds
            self._lines.put(partial(self._layout, head, facts))

    def _layout(
        self,
        head: tuple[int, str, Mapping[str, str]],
        facts: tuple[Envelope, Collection[str], Findings, Verdict | None, Mapping[str, str], float],
    ) -> str:
        nanoseconds, event, first = head
        envelope, recipients, known, verdict, more, seconds = facts
        session = envelope.session
        client = session.client
        fields: Fields = {"time": nanoseconds, "level": "info", "event": event, **first}
        fields["session"] = session.token
        fields["client"] = client.address
        fields["wire"] = client.wire
        fields["port"] = session.port
        fields["origin"] = client.origin
        fields["helo"] = session.helo or ""
        fields["from"] = self._person(envelope.sender)
        fields["to"] = ",".join([self._person(recipient) for recipient in recipients])
        for key, finding in known.items():
            fields[_FIELDS.get(key) or finding.check] = finding.result
        if verdict:
            if verdict.because:
                fields["because"] = "; ".join(map(_why, verdict.because))
            if verdict.standing:
                standing = verdict.standing
                fields["greylist"] = standing.state
                if standing.group:
                    fields["group"] = standing.group
                if standing.seconds:
                    fields["wait"] = standing.seconds
        fields.update(more)
        fields["ms"] = round(seconds * 1000, 1)
        return self._render(fields)

    def _person(self, address: str) -> str:
        if not self._private or not address:
            return f"<{address}>"
        digest = sha256(address.encode(errors="surrogateescape")).hexdigest()[:16]
        return f"<{digest}@{split(address)[1]}>"


def _why(finding: Finding) -> str:
    """Return what a finding says, and what is the admin's business alone."""
    if not finding.reason:
        return finding.result
    aside = finding.fact("aside")
    return f"{finding.check} {finding.result}: {finding.reason}{f' ({aside})' if aside else ''}"


_FIELDS = {("spf", "smtp.helo"): "spf_helo", ("spf", "smtp.mailfrom"): "spf", ("helo", "smtp.helo"): "helo_check"}
"""What a finding is called in a log line, where its check's name says too little."""


_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _timestamp(nanoseconds: int) -> str:
    """Return a time since 1970 as date and time of day in UTC, to the millisecond."""
    seconds, milliseconds = divmod(nanoseconds // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _cleaned(fields: Fields, wide: int) -> Fields:
    """Return fields as people may see them; a traceback keeps its lines, and the last of them rather than the first."""
    return {
        name: value
        if isinstance(value, int | float)
        else clean(str(value), wide)
        if name != "exception"
        else _UNPRINTABLE.sub("?", value)[-_TRACEBACK * wide :]
        for name, value in fields.items()
    }


_UNPRINTABLE = re.compile(r"[^\n -~]+")


def _fitting(layout: Callable[[Fields], str], fields: Fields) -> str:
    """Return a line that is written whole: a cut one would do in need, but is no JSON."""
    for wide in _WIDTHS:
        line = layout(_cleaned(fields, wide))
        if len(line) <= LONGEST:
            break
    return line


def _json(fields: Fields) -> str:
    fields["time"] = _timestamp(fields["time"])
    return _fitting(lambda cleaned: str(structlog.processors.JSONRenderer()(None, "", cleaned)), fields)


def _logfmt(fields: Fields) -> str:
    """Write a line as key=value, quoted where need be: structlog's own way takes a fifth of a whole acceptance."""
    fields["time"] = _timestamp(fields["time"])
    template, punctuation = _shape(tuple(fields))
    line = template % tuple(fields.values())
    # Most lines are short, have no punctuation but ours and no empty value: there is nothing to clean or to quote.
    bare = line.encode("ascii", "backslashreplace").translate(None, _BARE) == punctuation
    if bare and len(line) <= _WIDTHS[0] and "= " not in line and line[-1] != "=":
        return line
    return _fitting(_pairs, fields)


def _pairs(cleaned: Fields) -> str:
    texts = [(name, str(value)) for name, value in cleaned.items()]
    return " ".join([f"{name}={text if _is_bare(text) else _quoted(text)}" for name, text in texts])


@lru_cache(maxsize=256)
def _shape(names: tuple[str, ...]) -> tuple[str, bytes]:
    """Return how values are written behind their names, and what is left of it without the characters of `_BARE`.

    A reply is a code and a status (RFC 3463), with a blank between them.
    """
    pairs = [('reply="%s"', b'=" "') if name == "reply" else (f"{name}=%s", b"=") for name in names]
    return " ".join(pair for pair, _ in pairs), b" ".join(left for _, left in pairs)


_BARE = bytes(sorted({*range(0x21, 0x7F)} - {*b'"\\='}))
"""The characters that a value may have without being quoted."""


def _is_bare(text: str) -> bool:
    return bool(text) and not text.encode("ascii", "backslashreplace").translate(None, _BARE)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
