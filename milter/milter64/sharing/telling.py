"""Tells all hosts of rows at once, for somebody who waits for it and is no worker."""

import time
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Self

from milter64.greylist.row import Record, RecordKind
from milter64.sharing import members, row_texts
from milter64.sharing.heartbeat import Heartbeat
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import ServersGone
from milter64.sharing.keys import MEMBERS
from milter64.sharing.outbox import Outbox
from milter64.sharing.outgoing import Outgoing
from milter64.sharing.replies import replies
from milter64.sharing.server_url import ServerUrl
from milter64.sharing.servers import open_servers

_PATIENCE = 5.0
"""Seconds to wait for a connection."""
_POLL = 0.02


class Telling:
    """A connection to the servers, for one thread."""

    def __init__(self, url: ServerUrl, host: str, kind: RecordKind, now: Callable[[], float]) -> None:
        """Connect in a host's name, whose own workers don't hear it; `now` is row time.

        Raises:
            ServersGone: the servers are out of reach; the text says why.
            MayNotShare: the host may not share; the text says why, and what helps.
        """
        self._state, self._outbox, self._why = HostState(), Outbox(kind), "no connection"
        self.troubles: list[str] = []
        """What the servers don't take."""
        self._servers = open_servers(url, self._note, lambda _: None)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not self._works() and time.monotonic() < deadline:
                time.sleep(_POLL)
            self._measure(Heartbeat(self._servers, host, now), host)
        except BaseException:
            self._servers.close()
            raise
        self._outgoing = Outgoing(
            self._outbox,
            self._servers,
            self._state,
            host,
            kind,
            now,
            self.troubles.append,
            lambda: None,
            lambda: None,
        )

    def tell(self, entries: Iterable[tuple[str, Mapping[str, Record]]]) -> None:
        """Have rows by key and group known to all hosts.

        Raises:
            ServersGone: not all have got there, and those that have do no harm if they are told again.
        """
        for key, rows in entries:
            self._outbox.put(key, {group: row_texts.rounded(row) for group, row in rows.items()})
        self._state.found(whole=False, hosts=1, lag=0.0)
        self._outgoing.work()
        if len(self._outbox):
            raise ServersGone(self._why)

    def _note(self, why: str) -> None:
        self._why = why

    def _works(self) -> bool:
        try:
            return bool(self._servers.shards())
        except ServersGone:
            return False

    def _measure(self, heartbeat: Heartbeat, host: str) -> None:
        """See that we may share, and find out our offset, which is as the host's workers have it if there are any."""
        if not self._works():
            raise ServersGone(self._why)
        heartbeat.check_format()
        (fields,) = replies(self._servers.send(MEMBERS, [("HGETALL", MEMBERS)]))
        heard = members.read(dict(zip(fields[::2], fields[1::2], strict=True)))
        _, offset = heartbeat.measured(next((member.offset for member in heard if member.host == host), inf))
        heartbeat.check_clock(offset, heard)
        self._state.measured(offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._servers.close()
