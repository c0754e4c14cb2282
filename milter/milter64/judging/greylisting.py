"""The greylist of one worker: its store, its clock, and what an attempt makes of the rows."""

from collections.abc import Callable

from milter64.greylist.attempt import Standing, State, attempt, unkept
from milter64.greylist.row import Record
from milter64.greylist.settings import Settings
from milter64.judging.row_clock import RowClock
from milter64.mail.session import Envelope
from milter64.store.interface import Store, StoreGone

_EXPIRE_EVERY = 3600.0
"""Seconds of row time between two looks for rows that say nothing any more."""


class Greylisting:
    """Where attempts stand with the greylist; thread-safe."""

    def __init__(self, settings: Settings, store: Store[Record]) -> None:
        """Take over the store; `close` ends it."""
        self._settings = settings
        self._store = store
        self.now = RowClock(store, settings.remember)
        """The time by which rows go."""
        self._expire_at = 0.0

    def standing(
        self, envelope: Envelope, pair: str, now: float, proven: Callable[[], frozenset[str]] | None
    ) -> Standing:
        """Return where an attempt at `now` stands with the greylist, out of order or not."""
        settings, client = self._settings, envelope.session.client
        try:
            rows = self._store.read(pair)
        except StoreGone:
            return unkept()
        network = f"net:{client.network(settings.ipv4_prefix, settings.ipv6_prefix)}"
        return attempt(rows, network, proven, now, settings)

    def keep(self, pair: str, standing: Standing, now: float) -> None:
        """Write the rows that an attempt has moved, and now and then have those forgotten that have run out."""
        if standing.rows:
            self._store.merge(pair, standing.rows)
        if now >= self._expire_at and standing.state is not State.UNKEPT:
            now = self.now()  # the store was gone, maybe, when the attempt began
            self._expire_at = now + _EXPIRE_EVERY
            self._store.expire(now)

    def close(self) -> None:
        """Write what is left to write."""
        self._store.close()
