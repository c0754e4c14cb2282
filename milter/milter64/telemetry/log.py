"""The log: one line for every final outcome, and one for whatever else an admin should know.

Called by the engine, the supervisor and the worker alone; checks neither log nor count.
"""

import logging
import sys
import time
import traceback
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from functools import partial
from types import MappingProxyType

from milter64.mail.action import Action
from milter64.mail.finding import Finding, Findings
from milter64.mail.session import Envelope
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import Reply
from milter64.telemetry import pseudonyms
from milter64.telemetry.log_format import Fields, json_layout, logfmt
from milter64.telemetry.log_writer import LogWriter
from milter64.telemetry.metrics import Tally
from milter64.telemetry.pseudonyms import Pseudonyms, tells, tells_reason, without_mailboxes
from milter64.telemetry.settings import Settings

_EVENTS = {Action.GREYLIST: "greylisted", Action.TEMPFAIL: "deferred", Action.REJECT: "rejected"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Telemetry:
    """Lays log lines out; the time in a line is that of the event.

    Of structlog its layout alone is used: its bound loggers take a tenth of a whole acceptance.
    """

    def __init__(self, settings: Settings, tally: Tally | None = None, store: str = "memory:") -> None:
        """Write to standard error, laid out as `settings` say, and count outcomes in a tally.

        The key to pseudonyms is kept beside `store`, the greylist's. Before the workers are forked, it is theirs too.
        """
        self.tally = tally
        self._people: Pseudonyms | None = None
        self._least = getattr(logging, settings.level.upper())
        self._render = json_layout() if settings.format == "json" else logfmt
        self._lines = LogWriter(sys.stderr, self._lost)
        if settings.privacy == "hash":
            self._people = Pseudonyms(self._key(store))

    def _key(self, store: str) -> bytes:
        try:
            return pseudonyms.key(pseudonyms.place(store))
        except OSError as error:
            why = f"the key of log.privacy can't be kept beside the greylist, and is another after a restart: {error}"
            self._line("warning", "privacy", {"trouble": why})
            return pseudonyms.own_key()

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
        if self._people and (error := sys.exception()):
            self._line("error", event, {**fields, "exception": pseudonyms.traceback(error)})
            return
        self._line("error", event, {**fields, "exception": traceback.format_exc().rstrip("\n")})

    def refused(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict,
        reply: Reply,
        *,
        seconds: float,
    ) -> None:
        """Log the refusal of recipients, final or for now."""
        first, more = _NOTHING, {"reply": f"{reply.code} {reply.status}"}
        if verdict.action is Action.REJECT and (ban := envelope.session.client.ban):
            first = {"ban": ban}
        self._outcome(event_of(verdict), first, envelope, recipients, known, verdict, seconds, more)
        if self.tally:
            self.tally.refused(envelope, recipients, known, verdict, seconds, observe=False)

    def observed(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict,
        reply: Reply,
        *,
        queue_id: str | None,
        seconds: float,
    ) -> None:
        """Log what became of recipients who would have been refused, and how; without a queue id no message came."""
        event, first = ("abandoned", _NOTHING) if queue_id is None else ("accepted", {"queue": queue_id})
        more = {"reply": f"{reply.code} {reply.status}", "observe": event_of(verdict)}
        self._outcome(event, first, envelope, recipients, known, verdict, seconds, more)
        if self.tally:
            self.tally.refused(envelope, recipients, known, verdict, seconds, observe=True)

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
            if self._people:
                fields |= {name: without_mailboxes(text) for name, text in more.items() if isinstance(text, str)}
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
        people, mailboxes, helo = self._people, (envelope.sender, *recipients), session.helo or ""
        fields["helo"] = people.digest(helo) if people and tells(helo, mailboxes) else helo
        fields["from"] = self._person(envelope.sender)
        fields["to"] = ",".join([self._person(recipient) for recipient in recipients])
        fields.update(found(known))
        if verdict:
            if verdict.because:
                silent = [finding for finding in verdict.because if people and tells_reason(finding, mailboxes)]
                fields["because"] = "; ".join([_why(each, silent=each in silent) for each in verdict.because])
            if verdict.standing:
                standing = verdict.standing
                fields["greylist"] = standing.state
                if group := standing.group:
                    fields["group"] = people.group(group) if people and tells(group, mailboxes) else group
                if standing.seconds:
                    fields["wait"] = standing.seconds
        fields.update(more)
        fields["ms"] = round(seconds * 1000, 1)
        return self._render(fields)

    def _person(self, address: str) -> str:
        return f"<{self._people.of(address) if self._people and address else address}>"


def found(known: Findings) -> Mapping[str, str]:
    """Return the fields of a line that say what was found."""
    fields: dict[str, str] = {}
    for key, finding in known.items():
        name, said = _FIELDS.get(key) or finding.check, finding.result
        if name in _SEVERAL:
            said = f"{finding.property}:{said}"  # without a blank, for what is to be quoted takes longer
            said = f"{fields[name]},{said}" if name in fields else said
        fields[name] = said
    return fields


def event_of(verdict: Verdict) -> str:
    """Return what the log calls a verdict that isn't yes."""
    return "busy" if verdict.busy else _EVENTS[verdict.action]


def _why(finding: Finding, *, silent: bool) -> str:
    """Return what a finding says, and what is the admin's business alone; silently, of what there is one at all."""
    if not finding.reason:
        return finding.result
    aside = finding.fact("aside")
    why = "" if silent else f": {finding.reason}{f' ({aside})' if aside else ''}"
    return f"{finding.check} {finding.result}{why}"


_FIELDS = {("spf", "smtp.helo"): "spf_helo", ("spf", "smtp.mailfrom"): "spf", ("helo", "smtp.helo"): "helo_check"}
"""What a finding is called in a log line, where its check's name says too little."""


_SEVERAL = frozenset({"allow", "block", "dnsbl", "dnswl", "rate"})
"""The checks of which there may be several findings: their field names each."""


_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
