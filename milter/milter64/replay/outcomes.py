"""Takes an engine's outcomes for figures, as the log's lines would be taken."""

from collections.abc import Callable, Collection

from milter64.mail.finding import Findings
from milter64.mail.session import Envelope
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import Reply
from milter64.report.outcome import Shape, found_by, who
from milter64.telemetry.log import Telemetry, event_of, found
from milter64.telemetry.settings import Settings

Take = Callable[[float, Shape, str, str], None]
"""Takes when an attempt was made, in seconds since 1970, its outcome's shape, and who it is about (see `who`)."""


class Outcomes(Telemetry):
    """What the engine tells; of our own faults alone there is a line, on standard error."""

    def __init__(self, take: Take) -> None:
        """Have `take` take each outcome."""
        super().__init__(Settings(level="error"))
        self.take = take
        self.at = 0.0
        """When the attempt was made that is being judged, in seconds since 1970."""
        self.told: list[tuple[Shape, Verdict | None]] = []
        """What was told of the last attempt; whoever judges the next one empties it."""

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
        if session.helo is None:  # so nothing was found of the name
            known = {key: finding for key, finding in known.items() if key[1] != "smtp.helo"}
        shape = Shape(
            event="accepted",
            observed=observed,
            origin=client.origin.value,  # a plain string, whose hash takes a fifth of the time
            found=found_by(found(known)),
            why=_why(verdict) if verdict else "",
            standing=verdict.standing.state.value if verdict and verdict.standing else "",
        )
        self.told.append((shape, verdict))
        self.take(self.at, shape, *who(client.address, session.helo or "", envelope.sender, ">,<".join(recipients)))


def _why(verdict: Verdict) -> str:
    """Return the results that led to a verdict, as a log's line names them."""
    said = [f"{each.check} {each.result}" if each.reason else each.result for each in verdict.because]
    return "; ".join(dict.fromkeys(said))
