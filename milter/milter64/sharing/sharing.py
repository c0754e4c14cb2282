"""What a worker does for sharing: threads that send, hear and keep house, begun and ended together."""

from collections.abc import Callable, Sequence
from typing import Protocol

from milter64 import __version__
from milter64.greylist.row import RecordKind
from milter64.sharing.follower import Follower
from milter64.sharing.heartbeat import Heartbeat
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Servers, ServersGone
from milter64.sharing.members import Member
from milter64.sharing.numbers import Numbers
from milter64.sharing.outgoing import Outgoing
from milter64.sharing.reconciling import Reconciling
from milter64.sharing.role import Lists, Role
from milter64.sharing.room import Room
from milter64.sharing.shared_counters import SharedCounters
from milter64.sharing.shared_store import SharedStore


class Reports(Protocol):
    """Who is told what happens, from any thread."""

    def may_not_share(self, why: str) -> None:
        """Hear why nothing is shared, or that it is again, as ""."""

    def meet(self, hosts: Sequence[str]) -> None:
        """Hear which hosts share, this one among them."""

    def not_taken(self, what: str) -> None:
        """Hear what the servers don't take."""

    def fault(self) -> None:
        """Hear of a fault of ours, while the exception is being handled."""


class Sharing:
    """Made in each worker, after its store; `close` it before the store."""

    def __init__(  # noqa: PLR0913, PLR0917  all that is shared, and by whom
        self,
        name: str,
        slot: int,
        servers: Servers,
        state: HostState,
        store: SharedStore,
        kind: RecordKind,
        now: Callable[[], float],
        reports: Reports,
        *,
        lists: Lists | None = None,
        counters: SharedCounters | None = None,
    ) -> None:
        """Begin to share in the host's `name`; `slot` is the worker's, and `now` row time."""
        self._slot = slot
        self._servers = servers
        self._state = state
        self._store = store
        self._lists = lists
        self._counters = counters
        self._name = name
        self._follower = Follower(servers, state, name, store.own)
        self._outgoing = Outgoing(
            store.outbox, servers, state, name, kind, now, reports.not_taken, self._tell, reports.fault
        )
        self._role = Role(
            state,
            Heartbeat(servers, name, now),
            self._follower,
            Reconciling(servers, state, store.own, store.outbox, kind, now),
            Room(servers, name, kind),
            store.own,
            lists=lists,
            say=self._say,
            tell=reports.may_not_share,
            meet=reports.meet,
            on_fault=reports.fault,
        )
        state.begins(slot)
        self._outgoing.start()
        self._role.start()

    def close(self) -> None:
        """Send what is left, as far as that can be done within a second or two, and let go of the servers."""
        if self._counters:
            self._counters.close()
        self._outgoing.close()
        self._role.close()
        self._state.ends(self._slot, waiting=len(self._store.outbox))
        self._servers.close()

    def numbers(self) -> Numbers:
        """Return how this worker and its host stand, for the metrics."""
        state, outbox = self._state, self._store.outbox
        try:
            up = bool(self._servers.shards())
        except ServersGone:
            up = False
        return Numbers(
            up=up,
            allowed=state.allowed,
            whole=state.whole,
            hosts=state.hosts if state.allowed else 0,
            lag=state.lag,
            rows_waiting=len(outbox),
            lists_waiting=self._lists.waiting if self._lists else 0,
            limits_waiting=self._counters.waiting if self._counters else 0,
            rows_sent=outbox.total,
            rows_received=self._follower.received,
        )

    def _tell(self) -> None:
        """Have the worker with the role know what this one has sent."""
        counters, outbox = self._counters, self._store.outbox
        self._state.tells(
            self._slot,
            sent=outbox.lately,
            waiting=len(outbox),
            limits_sent=counters.lately if counters else 0,
            limits_waiting=counters.waiting if counters else 0,
        )

    def _say(self, at: float, offset: float, standing: str, lag: float) -> Member:
        sent, waiting, limits_sent, limits_waiting = self._state.workers
        return Member(
            host=self._name,
            version=__version__,
            at=at,
            offset=offset,
            state=standing,
            lag=lag,
            rows=sent,
            lists=self._lists.lately if self._lists else 0,
            limits=limits_sent,
            waiting=waiting + limits_waiting + (self._lists.waiting if self._lists else 0),
        )
