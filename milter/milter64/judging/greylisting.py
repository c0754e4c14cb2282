"""The greylist of one worker: its store, its clock, and what an attempt makes of the rows."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf

from milter64.greylist.attempt import Standing, State, attempt, unkept
from milter64.greylist.client_groups import groups
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings
from milter64.greylist.wave_through import (
    Rows,
    credit,
    discredit,
    earned,
    exact_network,
    proven_sender,
    register,
    sender_group,
    written,
)
from milter64.judging.row_clock import RowClock
from milter64.mail.finding import Finding, Findings
from milter64.mail.session import Envelope
from milter64.store.interface import Store, StoreGone

_EXPIRE_EVERY = 3600.0
"""Seconds of row time between two looks for rows that say nothing any more."""
_LOOK_EVERY = 10.0
"""Seconds of row time between two looks into a register of groups that are waved through."""

_WAITS = frozenset({State.NEW, State.WAITING, State.UNPROVEN})


class Greylisting:
    """Where attempts stand with the greylist; thread-safe."""

    def __init__(self, settings: Settings, store: Store[Record], row_time: Callable[[], float] | None = None) -> None:
        """Take over the store, and go by its own time if there is no other; `close` ends it."""
        self._settings = settings
        self._store = store
        self.now = row_time or RowClock(store, settings.remember)
        """The time by which rows go."""
        self._expire_at = 0.0
        self._registers: dict[str, tuple[float, frozenset[str]]] = {}
        """When a register was looked into, and the groups in it."""

    def standing(self, envelope: Envelope, pair: str, now: float, known: Findings | None) -> Standing:
        """Return where an attempt at `now` stands with the greylist, out of order or not.

        `known` is what the client is proven to be by, None as long as that has not been asked.
        """
        settings, client = self._settings, envelope.session.client
        proven = None if known is None else partial(groups, client, envelope.sender, known)
        network = f"net:{client.network(settings.ipv4_prefix, settings.ipv6_prefix)}"
        try:
            standing = attempt(self._store.read(pair), network, proven, now, settings)
            if standing.state in _WAITS and settings.wave_through:
                return self._waved(standing, envelope, now, known)
        except StoreGone:
            return unkept()
        return standing

    def _waved(self, standing: Standing, envelope: Envelope, now: float, known: Findings | None) -> Standing:
        """Return where an attempt stands that would have to wait, if one of its groups needn't."""
        exact, domain = exact_network(envelope.session.client), sender_group(envelope.sender)
        if self._has_earned(exact, now):
            return Standing(state=State.WAVED, settled=True, group=exact, rows={})
        if not self._has_earned(domain, now):
            return standing
        if known is None:
            return replace(standing, may_wave=True)
        if not proven_sender(envelope, known):
            return standing
        return Standing(state=State.WAVED, settled=True, group=domain, rows={})

    def _has_earned(self, group: str, now: float) -> bool:
        """Whether a group is waved through; of those that aren't, which are nearly all, no row is read."""
        key = register(group)
        looked_at, groups = self._registers.get(key, (-inf, frozenset[str]()))
        if not 0 <= now - looked_at < _LOOK_EVERY:
            self._registers[key] = now, groups  # first, as one is enough: of those who come meanwhile there may be many
            groups = frozenset(self._store.read(key))
            self._registers[key] = now, groups
        return group in groups and earned(self._store.read(group), now, self._settings)

    def keep(self, pair: str, standing: Standing, now: float) -> None:
        """Write the rows that an attempt has moved, and now and then have those forgotten that have run out."""
        if standing.rows:
            self._store.merge(pair, standing.rows)
        if now >= self._expire_at and standing.state is not State.UNKEPT:
            now = self.now()  # the store was gone, maybe, when the attempt began
            self._expire_at = now + _EXPIRE_EVERY
            self._store.expire(now)

    def credit(self, envelope: Envelope, known: Findings, recipients: Iterable[str]) -> None:
        """Note that a message to recipients has passed, for the groups that earn something by it."""
        for recipient in recipients:
            self._note(_own(envelope, known), partial(credit, recipient=recipient))

    def discredit(self, envelope: Envelope, known: Findings, excess: Finding | None = None) -> None:
        """Note that a client has behaved badly: it was refused, or goes beyond a limit, if there is that `excess`.

        Others of its network may have used that up, and those who send for other domains from the same address. So it
        costs no domain anything, nor an exact network what a wider one has done.
        """
        exact = exact_network(envelope.session.client)
        self._note(_own(envelope, known) if not excess else [exact] if _within(excess, exact) else [], discredit)

    def _note(self, own: Iterable[str], news: Callable[..., Rows]) -> None:
        settings = self._settings
        if not settings.wave_through:
            return
        with suppress(StoreGone):  # nobody is greylisted meanwhile
            for group in own:
                before = self._store.read(group)
                rows_by_key = written(group, before, news(before, now=self.now(), settings=settings), settings)
                for key, rows in rows_by_key:
                    self._store.merge(key, rows)
                    self._registers.pop(key, None)  # there is more in it

    def close(self) -> None:
        """Write what is left to write."""
        self._store.close()


def _own(envelope: Envelope, known: Findings) -> Iterable[str]:
    """Return the groups of a client that may earn something."""
    return filter(None, (exact_network(envelope.session.client), proven_sender(envelope, known)))


def _within(excess: Finding, exact: str) -> bool:
    """Whether the network that went beyond a limit is no wider than a client's exact one, if it has that."""
    network = excess.fact("network") or ""
    return bool(exact) and int(network.rpartition("/")[2]) >= int(exact.rpartition("/")[2])
