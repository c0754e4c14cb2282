"""Greylisting (RFC 6647): what is remembered of a sender and a recipient, and how it advances in time.

A row belongs to a pair (sender and recipient) and a group that the client is in: its network (`net:`), the domain whose
SPF it passed (`spf:`), the registered domain of its confirmed name (`rdns:`). The network costs nothing to know; the
other two take DNS, and make a retry from another host of the same sender count.

    no row of the pair ------------------------------> NEW        450, and wait `delay`
    the network's row still waits -------------------> WAITING    450
    the network's row waited, or has passed ---------> PASSED     accept, and remember
    otherwise, and other groups have rows -----------> UNPROVEN   which of the groups is the client in? Ask DNS

Time is an argument, in seconds of a clock that never goes back.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from math import ceil

from milter64.address.frozen_dataclass import frozen
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings


class State(StrEnum):
    """Where an attempt stands."""

    NEW = "new"
    WAITING = "waiting"
    PASSED = "passed"
    UNPROVEN = "unproven"
    """Rows exist that may be the client's; its groups must be known first."""
    WAVED = "waved"
    """It would wait, but for a group that has passed so often that it needn't."""
    UNKEPT = "unkept"
    """The store is out of order, and nobody is greylisted meanwhile."""


@frozen
class Standing:
    """Where an attempt stands, and the rows that it moves, to be written if it counts.

    `seconds` are left to wait, 0 unless it waits. `settled` says that to learn the client's groups would change
    nothing: they were all known, or could add nothing. `group` is the one that answered. `waited` is how many seconds
    the pair took to its first passing, None unless this is it. `may_wave` says that the sender's domain would be waved
    through if it passed SPF.
    """

    state: State
    seconds: int = 0
    waited: float | None = None
    settled: bool = False
    group: str = ""
    may_wave: bool = False
    rows: Mapping[str, Record]


def unkept() -> Standing:
    """Return the standing of every attempt while the store is out of order."""
    return Standing(state=State.UNKEPT, settled=True, rows={})


def attempt(
    rows: Mapping[str, Record],
    network: str,
    proven: Callable[[], frozenset[str]] | None,
    now: float,
    settings: Settings,
) -> Standing:
    """Judge an attempt to deliver a pair's message at `now`.

    `rows` are the pair's, by group; `network` is the client's own group. `proven` returns its other groups, and is only
    called where they matter; it is None as long as DNS has not been asked for them.
    """
    own_row = rows.get(network)
    own, own_passes = _advance(own_row, now, settings)
    if own_passes and own is own_row:  # it has said all: no other group could add to it
        return _passed(network)
    if proven is None:
        if not own_passes and rows.keys() - {network}:
            return Standing(state=State.UNPROVEN, rows={})
        if not (own_passes or rows):  # nearly all of a flood
            return Standing(state=State.NEW, seconds=max(1, ceil(settings.delay)), group=network, rows={network: own})
    steps = {network: (own, own_passes)}
    for group in sorted(proven() if proven else ()):
        steps[group] = _advance(rows.get(group), now, settings)
    settled = proven is not None
    for group, (passing, passes) in steps.items():
        if passes:
            generation = max(record.generation for record, _ in steps.values())
            passed = passing if passing.generation == generation else replace(passing, generation=generation)
            moved = {group: passed for group in steps if rows.get(group) != passed}
            waited = None if _has_passed(rows, passing.generation) else now - passing.first_seen
            return Standing(state=State.PASSED, waited=waited, settled=settled, group=group, rows=moved)
    new = all(group not in rows or rows[group].generation < step.generation for group, (step, _) in steps.items())
    first_seen, group = min((record.first_seen, group) for group, (record, _) in steps.items())
    return Standing(
        state=State.NEW if new else State.WAITING,
        seconds=max(1, ceil(first_seen + settings.delay - now)),
        settled=settled,
        group=group,
        rows={group: record for group, (record, _) in steps.items() if rows.get(group) != record},
    )


@lru_cache(1024)  # of those who write often
def _passed(group: str) -> Standing:
    """Return the standing of a pair whose row lets it pass and stays as it is."""
    return Standing(state=State.PASSED, settled=True, group=group, rows={})


def _has_passed(rows: Mapping[str, Record], generation: int) -> bool:
    return any(row.passed_at is not None and row.generation >= generation for row in rows.values())


_NEGLIGIBLE = 0.001
"""The part of `remember` by which a row may be out of date: 52 minutes of 36 days."""


def _advance(record: Record | None, now: float, settings: Settings) -> tuple[Record, bool]:
    """Return the row after an attempt at `now`, and whether it lets the message pass.

    An early retry doesn't restart the wait. A row from the future counts from now: a clock that was set back neither
    forgives early nor delays twice. One that passed so far in the future that it would pass for years begins the next
    generation, and passes. A passing so soon after the last one that it makes no odds leaves the row as it is: for
    those who write often, nothing has to be written.
    """
    if record is None:
        return Record(generation=0, first_seen=now), False
    first_seen = min(record.first_seen, now)
    if record.passed_at is None:
        age, lasts, passes = now - first_seen, settings.retry_window, now - first_seen >= settings.delay
    else:
        age, lasts, passes = now - record.passed_at, settings.remember, True
        if 0 <= age < settings.remember * _NEGLIGIBLE:
            return record, True
        if age < -lasts:
            return Record(generation=record.generation + 1, first_seen=now, passed_at=now), True
    if age > lasts:
        return Record(generation=record.generation + 1, first_seen=now), False
    return Record(generation=record.generation, first_seen=first_seen, passed_at=now if passes else None), passes
