"""Whether a reply was right, given what was amiss at the time."""

from soak.message import ACCEPTED, LOST, NOBODY, Message, Outcome
from soak.trouble import Troubles

RESTART, STORE, DNS, DEATH = "restart", "store", "DNS", "death"
"""Troubles that a message may feel."""
MARKED = 70.0
"""Seconds for which names that got no answer may be given up at once, and a little more."""
_WRITTEN = 1.0
"""Seconds in which a row has been written, and survives whoever wrote it."""


def excuse(message: Message, outcome: Outcome, troubles: Troubles) -> str | None:
    """Return "" for a reply that is right, the trouble that excuses another, None where nothing does."""
    if outcome.reply in message.right and not outcome.wrong:
        return ""
    if outcome.reply in (LOST, NOBODY):
        return _without_reply(outcome, troubles)
    if message.waits and outcome.reply == ACCEPTED and troubles.met(STORE, outcome.began, outcome.ended):
        return STORE
    return DNS if message.asks and _may_be_of_dns(message, outcome, troubles) else None


def _without_reply(outcome: Outcome, troubles: Troubles) -> str | None:
    """Say why a session had no end: nobody was there, or whoever had it was killed."""
    if outcome.reply == LOST and troubles.was_cut(outcome.port, outcome.began, outcome.ended):
        return DEATH
    return RESTART if troubles.met(RESTART, outcome.began, outcome.ended) else None


def _may_be_of_dns(message: Message, outcome: Outcome, troubles: Troubles) -> bool:
    """Whether a reply may be one of not knowing; whoever has passed is not greylisted even then."""
    replies = {ACCEPTED, "451"} | (set() if message.passed else {"450"})
    if outcome.reply not in replies:
        return False
    marked = "temperror" in outcome.text or outcome.wrong
    return troubles.met(DNS, outcome.began - (MARKED if marked else 0.0), outcome.ended)


def may_have_to_wait(first_try: float, retry: float, troubles: Troubles) -> bool:
    """Whether a retry may be too early although it waited.

    The row of the first try may have gone with whoever was to write it, or not have been written at all. And where the
    clock was set back, the time does not count in which nobody was there.
    """
    unwritten = (troubles.met(trouble, first_try - _WRITTEN, first_try + _WRITTEN) for trouble in (DEATH, STORE))
    return any(unwritten) or troubles.met(RESTART, first_try - _WRITTEN, retry)
