"""What there is at the moment, looked at once a second: how full caches and queues are, and what the store has met."""

import time
from collections.abc import Callable, Mapping

from milter64.greylist.row import Record
from milter64.judging.engine import Engine
from milter64.limits.memory import budgeted
from milter64.numbers.counting_resolver import CountingResolver
from milter64.sharing.numbers import Numbers
from milter64.store.interface import Store
from milter64.telemetry.metrics import Tallied

_BOUNDS = {"rows": "rows", "cached": "greylist_cache", "pending": "pending_rows"}
"""The store's words, and ours for people."""
_TOGETHER, _ALONE = ("findings", "dns_cache"), ("familiar", "dns_marks", "greylist_cache")
"""Those bounds that are parts of one budget, in octets: of caches that all workers share, and of each worker's own."""
_SHARE = 0.01
"""The part of the time that counting the store's rows may take: among a million that is no small matter."""


class Gauges:
    """Looks at the parts of one of so many workers; for one thread."""

    def __init__(
        self,
        engine: Engine,
        resolver: CountingResolver,
        store: Store[Record],
        workers: int,
        sharing: Callable[[], Numbers] | None = None,
    ) -> None:
        self._engine = engine
        self._resolver = resolver
        self._store = store
        self._workers = workers
        self._sharing = sharing
        self._sizes: Mapping[str, int] = {}
        self._look_again_at = 0.0
        self._before: dict[str, int] = {}

    def __call__(self) -> Mapping[Tallied, float]:
        """Return the gauges, and what has happened in the store since the last look."""
        self._count_rows()
        numbers: dict[Tallied, float] = {
            ("greylist_rows",): self._sizes["rows"],
            ("store_gone",): self._store.gone,
            ("dns_breaker_open",): self._resolver.down,
        }
        bounds = {**self._engine.bounds(), **self._resolver.bounds()}
        bounds |= {_BOUNDS[word]: (self._sizes[word], cap) for word, cap in self._store.caps.items()}
        for bound, (entries, capacity) in bounds.items():
            numbers["bound_entries", bound] = entries
            numbers["bound_capacity", bound] = capacity
        for number, which in (("cache_bytes", 0), ("cache_budget_bytes", 1)):
            alone, together = (
                sum(bounds[cache][which] for cache in caches if cache in bounds) for caches in (_ALONE, _TOGETHER)
            )
            numbers[number,] = budgeted(alone) + together / self._workers
        if self._sharing:
            numbers |= self._shared(self._sharing())
        return numbers | self._news()

    def _count_rows(self) -> None:
        began = time.monotonic()
        if began >= self._look_again_at:
            self._sizes = self._store.sizes()
            now = time.monotonic()
            self._look_again_at = now + (now - began) / _SHARE

    def _news(self) -> dict[Tallied, float]:
        happenings = {"hit": 0, "miss": 0, "gone": 0, "unwritten": 0, "lost": 0}
        happenings |= {**self._store.happenings(), "dropped": self._sizes["dropped"]}
        news: dict[Tallied, float] = {}
        for word, since in self._since(happenings).items():
            if word in ("hit", "miss"):
                news["cache_lookups", "greylist", word] = since
            elif word == "dropped":
                news["greylist_dropped",] = since
            else:
                news["store_trouble", word] = since
        return news

    def _shared(self, now: Numbers) -> dict[Tallied, float]:
        since = self._since({"sent": now.rows_sent, "received": now.rows_received})
        return {
            ("sharing_up",): now.up,
            ("sharing_allowed",): now.allowed,
            ("sharing_whole",): now.whole,
            ("sharing_hosts",): now.hosts,
            ("sharing_lag_seconds",): now.lag,
            ("sharing_waiting", "rows"): now.rows_waiting,
            ("sharing_waiting", "lists"): now.lists_waiting,
            ("sharing_waiting", "limits"): now.limits_waiting,
            **{("sharing_rows", direction): rows for direction, rows in since.items()},
        }

    def _since(self, totals: Mapping[str, int]) -> dict[str, int]:
        """Return what has been added to totals since the last look."""
        before = {word: self._before.get(word, 0) for word in totals}
        self._before |= totals
        return {word: total - before[word] for word, total in totals.items()}
