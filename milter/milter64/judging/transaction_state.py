"""What is known of one transaction so far: it belongs to one session, and two threads never use it at once."""

from milter64.dns.lookup import Lookup  # noqa: TC001  the annotation is within a function
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from milter64.policy.decision import Evidence, Verdict
from milter64.policy.smtp_reply import Reply

Refusal = tuple[str, Verdict, Reply]
"""A recipient, what was decided about him, and what the client would hear."""


class Transaction:
    """A transaction. Whatever is asked once serves all its recipients."""

    __slots__ = (
        "acceptance",
        "deadline",
        "envelope",
        "evidence",
        "excess",
        "exempt",
        "lookups",
        "observed",
        "passed",
        "put_off",
        "recipients",
        "seconds",
        "verdicts",
    )

    def __init__(
        self, envelope: Envelope, evidence: Evidence, exempt: Finding | None = None, excess: Finding | None = None
    ) -> None:
        """Begin with the envelope, with what takes no asking, and with why its client is not judged, if so.

        `excess` is the limit that its session goes beyond.
        """
        self.envelope = envelope
        self.evidence = evidence
        self.exempt = exempt
        self.excess = excess
        self.lookups: dict[Key, Lookup] = {}
        """How the findings came about, for those who want to know."""
        self.put_off: Verdict | None = None
        """On the null sender's first recipient, where another one asked for it before end of message."""
        self.recipients: list[str] = []
        """Those that the client was not told to give up."""
        self.observed: list[Refusal] = []
        """Those among them who would have been refused, but for observe mode."""
        self.passed: list[str] = []
        """Those whom the greylist let it reach, unless it had done so lately."""
        self.verdicts: list[Verdict] = []
        self.acceptance: Verdict | None = None
        """The last of them that accepts."""
        self.seconds = 0.0
        """What all verdicts took."""
        self.deadline: float | None = None
        """When DNS must have answered, a value of time.monotonic(); set by the callback that first needs it."""

    @property
    def known(self) -> Findings:
        """What was found, nothing where the client is exempt; it never changes, but more may take its place."""
        return {} if self.exempt else self.evidence.known

    @property
    def from_trusted_host(self) -> bool:
        """Whether the message comes from a host of ours, whose Authentication-Results are kept (RFC 8601 5)."""
        return self.exempt is not None and self.exempt.result in ("trusted", "relay")
