"""What `milter64 explain` tells of limits: those that count for a client. Where they stand, the service alone knows."""

from collections.abc import Iterator

from milter64.cli.explain_layout import Report
from milter64.config.settings import Settings
from milter64.judging.transaction_state import Transaction
from milter64.limits.rates import levels
from milter64.limits.settings import LEVELS
from milter64.mail.spares import Spares


def limits(settings: Settings, transaction: Transaction) -> Iterator[Report]:
    """Yield a row for each limit that counts for a transaction; there is none for who is spared them."""
    client, spared = transaction.envelope.session.client, transaction.evidence.spared
    if Spares.RATE in spared or (client.private and not settings.trust.judge_private):
        return
    for kind, rates in settings.rate.limits.items():
        for level in levels(client):
            if level in rates:
                _, length = LEVELS[level]
                yield {"limit": kind, "network": client.network(length, length), "rate": rates[level].text}
