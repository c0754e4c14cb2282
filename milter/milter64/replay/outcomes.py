"""Takes an engine's outcomes for figures, as the log's lines would be taken."""

from collections.abc import Callable, Collection, Mapping

from milter64.mail.finding import Findings
from milter64.mail.session import Envelope
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import Reply
from milter64.telemetry.log import Settings, Telemetry, event_of, found


class Outcomes(Telemetry):
    """What the engine tells; of our own faults alone there is a line, on standard error."""

    def __init__(self, take: Callable[[float, str, Mapping[str, str]], None]) -> None:
        """Have `take` take each outcome: its time, and the name and the fields of the line that would tell of it."""
        super().__init__(Settings(level="error"))
        self._take = take
        self.at = 0.0
        """When the attempt was made that is being judged, in seconds since 1970."""

    def refused(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict,
        reply: Reply,  # noqa: ARG002  the figures have no use for it
        *,
        seconds: float,  # noqa: ARG002
    ) -> None:
        """Take the refusal of recipients, final or for now, whom the mail server has accepted."""
        self._tell(event_of(verdict), envelope, recipients, known, verdict)

    def accepted(  # noqa: PLR0913  a log line says much
        self,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict | None,
        *,
        queue_id: str,  # noqa: ARG002
        seconds: float,  # noqa: ARG002
    ) -> None:
        """Take the acceptance of a message."""
        self._tell("", envelope, recipients, known, verdict)

    def _tell(
        self,
        observed: str,
        envelope: Envelope,
        recipients: Collection[str],
        known: Findings,
        verdict: Verdict | None,
    ) -> None:
        """Take an outcome, as observe mode would have it: the mail server had its own way."""
        session, client = envelope.session, envelope.session.client
        fields = {"client": client.address, "origin": client.origin, "helo": session.helo or ""}
        fields["from"], fields["to"] = f"<{envelope.sender}>", f"<{'>,<'.join(recipients)}>"
        if known:
            fields |= _found(envelope, known)
        if verdict:
            if verdict.because:
                fields["because"] = _why(verdict)
            if verdict.standing:
                fields["greylist"] = verdict.standing.state
        if observed:
            fields["observe"] = observed
        self._take(self.at, "accepted", fields)


def _found(envelope: Envelope, known: Findings) -> Mapping[str, str]:
    """Return what was found, as a log's line has it, but nothing of a HELO name that nobody knows."""
    if envelope.session.helo is None:
        known = {key: finding for key, finding in known.items() if key[1] != "smtp.helo"}
    return found(known)


def _why(verdict: Verdict) -> str:
    """Return the results that led to a verdict, as a log's line names them."""
    said = [f"{each.check} {each.result}" if each.reason else each.result for each in verdict.because]
    return "; ".join(dict.fromkeys(said))
