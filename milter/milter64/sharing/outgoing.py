"""Sends what a worker has learned to the servers, behind, in batches: into the rows there, and into the feed."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Event, Thread
from time import monotonic, sleep

from milter64.greylist.row import Record, RecordKind
from milter64.mail.clean_text import clean
from milter64.sharing import feed
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Reply, Servers, ServersGone
from milter64.sharing.keys import FEED, rows_of
from milter64.sharing.merging import merge
from milter64.sharing.outbox import Outbox
from milter64.store.memory_store import Rows

_GATHER = 0.1
"""Seconds that a batch gathers."""
_LOOK = 0.25
"""Seconds between two looks whether a server has lost what it was told."""
_AT_ONCE = 500
"""Rows of a batch."""
_KEYS = 50
"""Keys that one script merges: others' commands have their turn in between."""
_PATIENCE = 1.0
"""Seconds to wait for replies; the link itself gives up before."""
_LAST = 1.0
"""Seconds in which a worker that ends sends what is left."""

Entry = tuple[str, Mapping[str, Record]]


class Outgoing:
    """Empties an outbox, on a thread of its own."""

    def __init__(  # noqa: PLR0913, PLR0917  from where to where, and in whose name
        self,
        outbox: Outbox,
        servers: Servers,
        state: HostState,
        host: str,
        kind: RecordKind,
        now: Callable[[], float],
        warn: Callable[[str], None],
        tell: Callable[[], None],
        on_fault: Callable[[], None],
    ) -> None:
        """Begin when `start` is called; `now` is row time, `warn` is told of rows that the servers don't take.

        `tell` is called now and then, and `on_fault` while an exception of ours is being handled.
        """
        self._outbox = outbox
        self._servers = servers
        self._state = state
        self._host = host
        self._kind = kind
        self._now = now
        self._warn = warn
        self._tell = tell
        self._on_fault = on_fault
        self._edition = self._now_there()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="sharing", daemon=True)
        self.start = self._thread.start

    def close(self) -> None:
        """Send what is left, if the servers can be reached."""
        self._closing.set()
        self._outbox.filled.set()
        self._thread.join(_LAST + _PATIENCE)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._outbox.filled.wait(_LOOK)
            self._closing.wait(_GATHER)
            self._outbox.filled.clear()
            try:
                self.work()
                self._tell()
            except Exception:  # noqa: BLE001  without its thread nothing would be sent any more
                self._on_fault()
        deadline = monotonic() + _LAST
        while len(self._outbox) and self._state.allowed and monotonic() < deadline:
            self.work()
            sleep(_GATHER if len(self._outbox) else 0)

    def work(self) -> None:
        """Send what waits, as far as the servers take it."""
        if self._outbox.overflown:
            self._outbox.overflown = False
            self._state.owe(everything=True)
        if (edition := self._now_there()) != self._edition:
            self._edition = edition
            self._outbox.again()
        while len(self._outbox) and self._state.allowed:
            if not self._send(self._outbox.take(_AT_ONCE)):
                return

    def _now_there(self) -> tuple[int, int]:
        """Return what is another one where servers may have lost what they were told."""
        epoch, *_ = self._state.position
        return self._servers.edition, epoch

    def _send(self, rows: Rows[Record]) -> bool:
        """Send rows, and return whether all have got there; put the others back."""
        try:
            unsent = self._sent(list(rows))
        except ServersGone:
            unsent = list(rows)
        for key, of_key in unsent:
            self._outbox.put(key, of_key)
        return not unsent

    def _sent(self, entries: list[Entry]) -> list[Entry]:
        """Send entries, and return those that have not got there, all of them where the feed is out of reach.

        Raises:
            ServersGone: the feed is out of reach from the beginning.
        """
        offset, servers = self._state.offset, self._servers
        batch, rows = feed.packed(entries, offset), sum(len(rows) for _, rows in entries)
        kept = [(key, kept) for key, rows in entries if (kept := self._kept(rows))]
        size = _KEYS if servers.together else 1
        chunks = [kept[start : start + size] for start in range(0, len(kept), size)]
        merged = [(chunk, self._merged(chunk)) for chunk in chunks]
        told = servers.send(FEED, [feed.telling(self._host, batch)])
        self._outbox.sent(rows, batch, offset)  # or some of them, and it does no harm to send those again
        unsent = [entry for chunk, future in merged for entry in self._left(chunk, future)]
        try:
            (reply,) = told.result(_PATIENCE)
        except (ServersGone, TimeoutError):
            return entries
        if isinstance(reply, Exception):
            self._warn(f"{FEED} on the server is none of ours: {clean(str(reply))}")
        return unsent

    def _kept(self, rows: Mapping[str, Record]) -> Mapping[str, Record]:
        """Return the rows of a key that there is room for on the servers."""
        if not self._state.lacking_room:
            return rows
        return {group: row for group, row in rows.items() if not self._kind.waits(row)}

    def _merged(self, chunk: list[Entry]) -> Future[list[Reply]] | None:
        """Have entries merged, None where that can't be."""
        command = merge(chunk, self._kind, self._now(), self._state.offset)
        try:
            return self._servers.send(rows_of(chunk[0][0]), [command])
        except ServersGone:
            return None

    def _left(self, chunk: list[Entry], merged: Future[list[Reply]] | None) -> list[Entry]:
        """Return which entries have not got there; of several that fail, each is tried by itself."""
        if not merged:
            return chunk
        try:
            (reply,) = merged.result(_PATIENCE)
        except (ServersGone, TimeoutError):
            return chunk
        if not isinstance(reply, Exception):
            return []
        if len(chunk) > 1:
            return [left for entry in chunk for left in self._left([entry], self._merged([entry]))]
        key = rows_of(chunk[0][0])
        self._warn(f"{key} on the server is none of ours, and its rows are on this host alone: {clean(str(reply))}")
        return []
