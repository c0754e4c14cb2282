"""Limits, as they count for those who aren't spared them."""

from milter64.address.client import Client
from milter64.limits.rates import Rates
from milter64.mail.finding import Finding
from milter64.mail.spares import Spares


class Limiting:
    """Counts what clients take; `judge_private` says whether those of private use are judged at all."""

    def __init__(self, rates: Rates | None, *, judge_private: bool) -> None:
        self._rates = rates
        self._judge_private = judge_private

    def __bool__(self) -> bool:
        return self._rates is not None

    @property
    def refusals(self) -> bool:
        """Whether it counts how many recipients are refused."""
        return self._rates is not None and self._rates.refusals

    def session(self, client: Client, spared: Spares) -> Finding | None:
        """Count a session, or return that it is one too many."""
        rates = self._for(client, spared)
        return rates.session(client) if rates else None

    def recipient(self, client: Client, spared: Spares, excess: Finding | None) -> Finding | None:
        """Count a recipient, or return that it is one too many; all are where the session has that `excess`."""
        if rates := self._for(client, spared):
            return excess or rates.recipient(client)
        return None

    def refused(self, client: Client, spared: Spares) -> None:
        """Count a recipient that was refused for good."""
        if rates := self._for(client, spared):
            rates.refused(client)

    def bounds(self) -> dict[str, tuple[int, int]]:
        """Return how many counters there are, and how many may be."""
        return {"rates": self._rates.bound} if self._rates else {}

    def _for(self, client: Client, spared: Spares) -> Rates | None:
        """Return the limits, if they count for a client."""
        if spared is not Spares.NOTHING and Spares.RATE in spared:
            return None
        return None if client.private and not self._judge_private else self._rates
