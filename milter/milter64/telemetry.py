"""The log: one line for every final outcome, and one for whatever else an admin should know.

Called by the engine, the supervisor and the worker alone; checks neither log nor count.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import structlog

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
    """Writes log lines to standard error, each with one write, so that the lines of several processes don't mix."""

    def __init__(self, settings: Settings) -> None:
        """Lay lines out as `settings` say."""
        self._private = settings.privacy == "hash"
        renderer: Any = structlog.processors.JSONRenderer() if settings.format == "json" else _logfmt
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(sys.stderr),
            processors=[_head, structlog.processors.format_exc_info, renderer],
            wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        ).bind()  # once, and not for each line

    def info(self, event: str, **fields: object) -> None:
        """Log something that is worth knowing."""
        self._log.info(event, **_sanitised(fields))

    def warning(self, event: str, **fields: object) -> None:
        """Log something that an admin should look at."""
        self._log.warning(event, **_sanitised(fields))

    def error(self, event: str, **fields: object) -> None:
        """Log something that an admin must look at."""
        self._log.error(event, **_sanitised(fields))

    def exception(self, event: str, **fields: object) -> None:
        """Log our own fault, with the traceback of the exception that is being handled."""
        self._log.error(event, exc_info=True, **_sanitised(fields))

    def refused(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Iterable[str],
        known: Findings,
        verdict: Verdict,
        reply: Reply,
        *,
        seconds: float,
        observe: bool,
    ) -> None:
        """Log the refusal of recipients, final or for now."""
        fields = self._facts(envelope, recipients, known, verdict)
        fields["reply"] = f"{reply.code} {reply.status}"
        if observe:
            fields["observe"] = "nothing was refused"
        self._log.info(_EVENTS[verdict.action], **fields, ms=round(seconds * 1000, 1))

    def accepted(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Iterable[str],
        known: Findings,
        verdict: Verdict | None,
        *,
        queue_id: str,
        seconds: float,
    ) -> None:
        """Log the acceptance of a message for all its recipients; `seconds` is what we took for all of them."""
        fields = self._facts(envelope, recipients, known, verdict)
        self._log.info("accepted", queue=clean(queue_id), **fields, ms=round(seconds * 1000, 1))

    def abandoned(self, envelope: Envelope, recipients: Iterable[str], known: Findings, *, seconds: float) -> None:
        """Log a transaction whose accepted recipients never got a message."""
        self._log.info("abandoned", **self._facts(envelope, recipients, known, None), ms=round(seconds * 1000, 1))

    def _facts(
        self, envelope: Envelope, recipients: Iterable[str], known: Findings, verdict: Verdict | None
    ) -> dict[str, object]:
        session = envelope.session
        client = session.client
        fields: dict[str, object] = {
            "session": session.token,
            "client": client.address,
            "wire": client.wire,
            "port": session.port,
            "origin": client.origin.value,
            "helo": clean(session.helo or ""),
            "from": self._person(envelope.sender),
            "to": clean(",".join(map(self._person, recipients)), _WIDE),
        }
        for finding in known.values():
            fields[_FIELDS.get(finding.key, finding.check)] = finding.result
        if verdict:
            if verdict.because:
                fields["because"] = "; ".join(
                    f"{finding.check} {finding.result}: {finding.reason}" if finding.reason else finding.result
                    for finding in verdict.because
                )
            if verdict.standing:
                standing = verdict.standing
                fields["greylist"] = standing.state.value
                if standing.group:
                    fields["group"] = clean(standing.group)
                if standing.seconds:
                    fields["wait"] = standing.seconds
        return fields

    def _person(self, address: str) -> str:
        if not self._private or not address:
            return f"<{clean(address)}>"
        digest = sha256(address.encode(errors="surrogateescape")).hexdigest()[:16]
        return f"<{digest}@{clean(split(address)[1])}>"


_FIELDS = {("spf", "smtp.helo"): "spf_helo", ("spf", "smtp.mailfrom"): "spf", ("helo", "smtp.helo"): "helo_check"}
"""What a finding is called in a log line, where its check's name says too little."""


def _sanitised(fields: dict[str, object]) -> dict[str, object]:
    return {name: clean(value, _WIDE) if isinstance(value, str) else value for name, value in fields.items()}


def _head(_logger: object, method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Put in front what every line begins with: the time, the level and the event."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": f"{now[:-6]}Z", "level": method, "event": fields.pop("event"), **fields}


_BARE = re.compile(r'[^\s"=\\]+').fullmatch


def _logfmt(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> str:
    """Write a line as key=value, quoted where need be: structlog's own way takes a fifth of a whole acceptance."""
    words = []
    for name, value in fields.items():
        text = str(value)
        if not _BARE(text):
            text = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        words.append(f"{name}={text}")
    return " ".join(words)
