"""What is remembered of earlier answers, and for how long.

A finding is never applied to a neighbour: iprev is kept for the exact decoded address; SPF for the exact address, HELO
and sender domain, or the whole sender where the record used its local part. It is kept for as long as the DNS records
that it rests on, an hour at most; a temperror never.
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic

from milter64.session import Envelope, split
from milter64.verdict import Finding, Key

LONGEST = 3600
"""Seconds that a finding is kept at most, and seconds that an expired one may still serve while DNS doesn't answer."""
_CAP = 50_000


class Memory:
    """Findings by their question and the facts that they rest on; thread-safe."""

    def __init__(self, cap: int = _CAP, clock: Callable[[], float] = monotonic) -> None:
        """Keep `cap` findings at most; the oldest go first."""
        self._cap = cap
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[tuple[str, ...], tuple[float, Finding]] = {}

    def recall(self, envelope: Envelope, key: Key, *, expired: bool = False) -> Finding | None:
        """Return what was found earlier for the same facts; with `expired`, even an hour after its time."""
        now = self._clock() - (LONGEST if expired else 0)
        for facts in _facts(envelope, key):
            kept = self._kept.get(facts)
            if kept and kept[0] > now:
                return kept[1]
        return None

    def remember(self, envelope: Envelope, finding: Finding, ttl: int | None) -> None:
        """Keep a finding for `ttl` seconds, None if no DNS record was involved."""
        if finding.result == "temperror":
            return
        facts = _facts(envelope, finding.key)[1 if finding.fact("local-part") else 0]
        until = self._clock() + min(LONGEST if ttl is None else ttl, LONGEST)
        with self._lock:
            self._kept.pop(facts, None)
            if len(self._kept) >= self._cap:
                del self._kept[next(iter(self._kept))]
            self._kept[facts] = until, finding


def _facts(envelope: Envelope, key: Key) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what a finding rests on: the fewest facts, and with the sender's local part."""
    session = envelope.session
    address, helo = session.client.address, (session.helo or "").lower()
    match key:
        case ("spf", "smtp.mailfrom"):
            domain = split(envelope.identity)[1]
            return (*key, address, helo, domain), (*key, address, helo, domain, envelope.identity)
        case (_, "smtp.helo"):
            return (*key, address, helo), (*key, address, helo)
        case _:
            return (*key, address), (*key, address)
