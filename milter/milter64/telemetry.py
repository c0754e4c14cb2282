"""The log: one line for every final outcome, and one for whatever else an admin should know.

Called by the engine, the supervisor and the worker alone; checks neither log nor count.
"""

import logging
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Literal

import structlog

from milter64.lines import Lines
from milter64.metrics import Tally
from milter64.policy import Verdict
from milter64.session import Envelope, split
from milter64.text import clean
from milter64.verdict import Action, Findings, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [log]."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["logfmt", "json"] = "logfmt"
    privacy: Literal["full", "hash"] = "full"


_EVENTS = {Action.GREYLIST: "greylisted", Action.TEMPFAIL: "deferred", Action.REJECT: "rejected"}
_WIDE = 1000
"""Characters of one value in a log line; many recipients are cut here."""


class Telemetry:
    """Lays log lines out; the time in a line is that of the event.

    structlog's parts are called directly: its bound loggers take a tenth of a whole acceptance.
    """

    def __init__(self, settings: Settings, tally: Tally | None = None) -> None:
        """Write to standard error, laid out as `settings` say, and count outcomes in a tally."""
        self.tally = tally
        self._private = settings.privacy == "hash"
        self._least = getattr(logging, settings.level.upper())
        self._render: Any = structlog.processors.JSONRenderer() if settings.format == "json" else _logfmt
        self._lines = Lines(sys.stderr)

    def behind(self) -> AbstractContextManager[None]:
        """Have a thread lay out and write all lines meanwhile."""
        return self._lines.behind(self._lost)

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return how many lines wait to be written, and how many may."""
        return {"log_lines": self._lines.bound}

    def info(self, event: str, **fields: object) -> None:
        """Log something that is worth knowing."""
        self._line("info", event, partial(_sanitised, fields))

    def warning(self, event: str, **fields: object) -> None:
        """Log something that an admin should look at."""
        if self.tally:
            self.tally.warned(event)
        self._line("warning", event, partial(_sanitised, fields))

    def error(self, event: str, **fields: object) -> None:
        """Log something that an admin must look at."""
        self._line("error", event, partial(_sanitised, fields))

    def exception(self, event: str, **fields: object) -> None:
        """Log our own fault, with the traceback of the exception that is being handled."""
        told = structlog.processors.format_exc_info(None, "error", {**_sanitised(fields), "exc_info": True})
        self._line("error", event, partial(dict, told))

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
        more = {"reply": f"{reply.code} {reply.status}"}
        if observe:
            more["observe"] = "nothing was refused"
        elif verdict.action is Action.REJECT and (ban := envelope.session.client.ban):
            more["ban"] = ban
        facts = partial(self._facts, envelope, tuple(recipients), dict(known), verdict, seconds, more=more)
        self._line("info", _EVENTS[verdict.action], facts)
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
        facts = partial(self._facts, envelope, tuple(recipients), dict(known), verdict, seconds, queue_id=queue_id)
        self._line("info", "accepted", facts)
        if self.tally:
            self.tally.accepted(envelope, recipients, known, seconds)

    def abandoned(self, envelope: Envelope, recipients: Collection[str], known: Findings, *, seconds: float) -> None:
        """Log a transaction whose accepted recipients never got a message."""
        self._line("info", "abandoned", partial(self._facts, envelope, tuple(recipients), dict(known), None, seconds))
        if self.tally:
            self.tally.abandoned(envelope, recipients, known, seconds)

    def _line(self, level: str, event: str, fields: Callable[[], Mapping[str, object]]) -> None:
        """Have a line written; what `fields` holds on to must not change any more."""
        if _LEVELS[level] >= self._least:
            self._lines.put(partial(self._layout, time.time_ns(), level, event, fields))

    def _layout(self, nanoseconds: int, level: str, event: str, fields: Callable[[], Mapping[str, object]]) -> str:
        line: str = self._render(
            None, level, {"time": _timestamp(nanoseconds), "level": level, "event": event, **fields()}
        )
        return line

    def _lost(self, number: int) -> str:
        fields = {"lines": number, "why": "they could not be written as fast as they came"}
        return self._layout(time.time_ns(), "warning", "log lines lost", lambda: fields)

    def _facts(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Iterable[str],
        known: Findings,
        verdict: Verdict | None,
        seconds: float,
        *,
        queue_id: str | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, object]:
        session = envelope.session
        client = session.client
        fields: dict[str, object] = {} if queue_id is None else {"queue": clean(queue_id)}
        fields |= {
            "session": session.token,
            "client": client.address,
            "wire": client.wire,
            "port": session.port,
            "origin": client.origin,
            "helo": clean(session.helo or ""),
            "from": self._person(envelope.sender),
            "to": clean(",".join(map(self._person, recipients)), _WIDE),
        }
        for key, finding in known.items():
            fields[_FIELDS.get(key) or finding.check] = finding.result
        if verdict:
            if verdict.because:
                fields["because"] = "; ".join(
                    f"{finding.check} {finding.result}: {finding.reason}" if finding.reason else finding.result
                    for finding in verdict.because
                )
            if verdict.standing:
                standing = verdict.standing
                fields["greylist"] = standing.state
                if standing.group:
                    fields["group"] = clean(standing.group)
                if standing.seconds:
                    fields["wait"] = standing.seconds
        return {**fields, **more, "ms": round(seconds * 1000, 1)}

    def _person(self, address: str) -> str:
        if not self._private or not address:
            return f"<{clean(address)}>"
        digest = sha256(address.encode(errors="surrogateescape")).hexdigest()[:16]
        return f"<{digest}@{clean(split(address)[1])}>"


_FIELDS = {("spf", "smtp.helo"): "spf_helo", ("spf", "smtp.mailfrom"): "spf", ("helo", "smtp.helo"): "helo_check"}
"""What a finding is called in a log line, where its check's name says too little."""


def _sanitised(fields: dict[str, object]) -> dict[str, object]:
    return {name: clean(value, _WIDE) if isinstance(value, str) else value for name, value in fields.items()}


_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _timestamp(nanoseconds: int) -> str:
    """Return a time since 1970 as date and time of day in UTC, to the millisecond."""
    seconds, milliseconds = divmod(nanoseconds // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _logfmt(_logger: object, _method: str, fields: Mapping[str, object]) -> str:
    """Write a line as key=value, quoted where need be: structlog's own way takes a fifth of a whole acceptance."""
    line = _template(tuple(fields)) % tuple(fields.values())
    # Most lines have no other blanks and equal signs than ours.
    if line.count(" ") == len(fields) - 1 and line.count("=") == len(fields) and _is_plain(f"{line} "):
        return line
    texts = [(name, str(value)) for name, value in fields.items()]
    return " ".join([f"{name}={text if _is_bare(text) else _quoted(text)}" for name, text in texts])


@lru_cache(maxsize=256)
def _template(names: tuple[str, ...]) -> str:
    return " ".join(f"{name}=%s" for name in names)


def _is_plain(line: str) -> bool:
    return line.isprintable() and not ("= " in line or '"' in line or "\\" in line)


def _is_bare(text: str) -> bool:
    return bool(text) and _is_plain(text) and not (" " in text or "=" in text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
