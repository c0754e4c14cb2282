"""What `milter64 run` opens where several hosts share what they know: greylist.store names their servers."""

import time
from collections.abc import Callable, Sequence
from functools import cache

from milter64.config.list_sources import line_reader
from milter64.config.settings import Settings
from milter64.greylist.row import Record, RecordKind
from milter64.guard.shared_by_workers import SharedNotes
from milter64.limits.rate_table import RateTable
from milter64.lists import commanded
from milter64.lists.listed import ALLOW, BLOCK
from milter64.sharing import server_url
from milter64.sharing.host_state import HostState
from milter64.sharing.members import own_name
from milter64.sharing.remedies import remedy
from milter64.sharing.servers import open_servers
from milter64.sharing.shared_counters import SharedCounters
from milter64.sharing.shared_lists import SharedLists
from milter64.sharing.shared_store import SharedStore
from milter64.sharing.sharing import Sharing
from milter64.store.interface import Store
from milter64.telemetry.log import Telemetry

_ALONE = "this host goes on by its own store"
_TOGETHER = 10.0
"""Seconds within which workers see the same trouble with the servers, if it is the same."""


@cache
def host_state(_store: str, _local: str) -> HostState:
    """Return how this host stands with the others, made when it shares first, and kept over reloads."""
    return HostState()


class Reports:
    """What sharing has come to, said in the log: whatever every worker sees, by one of them."""

    def __init__(self, telemetry: Telemetry, notes: SharedNotes) -> None:
        self._telemetry = telemetry
        self._notes = notes

    def gone(self, why: str) -> None:
        """Tell that the servers are out of reach."""
        if self._due(why) if "still gone" in why else self._changed("gone", "back"):
            self._telemetry.warning("sharing", trouble=why, effect=_ALONE, remedy=remedy(why))

    def back(self, what: str) -> None:
        """Tell that they are in reach again."""
        if self._changed("back", "gone"):
            self._telemetry.info("sharing again", what=what)

    def may_not_share(self, why: str) -> None:
        """Tell why nothing is shared, or that it is again."""
        if why:
            self._telemetry.warning("sharing", trouble=why, effect=_ALONE)
        else:
            self._telemetry.info("sharing again")

    def meet(self, hosts: Sequence[str]) -> None:
        """Tell which hosts share."""
        self._telemetry.info("hosts share", hosts=" ".join(hosts))

    def not_taken(self, what: str) -> None:
        """Tell of rows that the servers don't take."""
        if self._due("not taken"):
            self._telemetry.warning("sharing", trouble=what)

    def list_trouble(self, what: str) -> None:
        """Tell what is wrong with entries by command; one worker shares them, and tells it once."""
        self._telemetry.warning("lists", trouble=what)

    def fault(self) -> None:
        """Tell of a fault of ours, while it is being handled."""
        self._telemetry.exception("fault", where="sharing")

    def _changed(self, now: str, before: str) -> bool:
        """Whether no other worker has told lately that it is so now, as was told of what was before."""
        with self._notes.notes() as notes:
            notes.said.pop(("sharing", before), None)
            return notes.due(("sharing", now), time.monotonic(), _TOGETHER)

    def _due(self, line: str) -> bool:
        with self._notes.notes() as notes:
            return notes.due(("sharing", line), time.monotonic(), _TOGETHER)


class Joined:
    """A worker's part in sharing: its store and its counters, at once, and `begin` for the rest."""

    def __init__(
        self, settings: Settings, own: Store[Record], table: RateTable | None, slot: int, reports: Reports
    ) -> None:
        """Take over the host's own store; `table` has its counters, if there are limits."""
        local = settings.greylist.local_store
        self._settings = settings
        self._name = own_name(local)
        self._slot = slot
        self._reports = reports
        self._kind = RecordKind(settings.greylist)
        # Rows in memory are this worker's alone, and nobody knows them who takes its place.
        self._state = HostState() if local == "memory:" else host_state(settings.greylist.shared, local)
        url = server_url.parse(settings.greylist.shared)
        self._servers = open_servers(url, reports.gone, reports.back)
        self.store = SharedStore(own, self._kind, self._servers, self._state)
        exact, fault = settings.rate.exact, reports.fault
        self.counters = (
            SharedCounters(table, self._servers, self._state, exact=exact, on_fault=fault) if table else None
        )

    def begin(self, now: Callable[[], float]) -> Sharing:
        """Begin to share; `now` is row time. Close it before the store."""
        return Sharing(
            self._name,
            self._slot,
            self._servers,
            self._state,
            self.store,
            self._kind,
            now,
            self._reports,
            lists=self._lists(now),
            counters=self.counters,
        )

    def _lists(self, now: Callable[[], float]) -> SharedLists | None:
        """Return what shares the entries by command, if there is a place for them."""
        local, checks = self._settings.greylist.local_store, (ALLOW, BLOCK)
        paths = {check: path for check in checks if (path := commanded.place(local, check))}
        journal = commanded.place(local, "lists.json")
        if not journal:
            return None
        return SharedLists(
            self._servers,
            self._state,
            paths,
            {check: line_reader(self._settings, check) for check in paths},
            journal=journal,
            host=self._name,
            clock=now,
            warn=self._reports.list_trouble,
        )
