"""Reads what the other hosts have learned, from the feed, into a host's own store."""

import re
from collections.abc import Mapping
from time import monotonic
from zlib import crc32

from milter64.greylist.row import Record
from milter64.sharing import feed
from milter64.sharing.feed import Position
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Reply, Servers, ServersGone
from milter64.sharing.keys import FEED, LISTS_EDITION, LOADED
from milter64.sharing.replies import answers, replies
from milter64.store.interface import Store

_BACK = 60_000
"""Milliseconds of the feed that are read again where some of it may have been lost, or not been kept by us."""
_RUN = re.compile(rb"run_id:([0-9a-f]+)")
"""What a server made up when it was started."""
_FULL = 10_000
"""Rows of the own store that wait to be written, from which on we don't read on."""


class Follower:
    """For one thread, that of the worker which has the role."""

    def __init__(self, servers: Servers, state: HostState, host: str, own: Store[Record]) -> None:
        """Read nothing yet; `own` gets the others' rows, all but those that `host` has written."""
        self._servers = servers
        self._state = state
        self._host = host
        self._own = own
        self._edition = servers.edition
        self._in_doubt = False
        self._epoch = 0
        self.at = Position(0, 0)
        """The last entry that we have."""
        self._caught_up_at = monotonic()
        self.received = 0
        """How many rows the others have sent."""

    @property
    def lag(self) -> float:
        """Seconds since we knew all that was in the feed."""
        return monotonic() - self._caught_up_at

    def begin(self, epoch: bytes, at: float) -> bool:
        """Go on where the worker before us was; return whether that could be, or everything must be looked through.

        `at` is the server's time.
        """
        known, *position = self._state.position
        self._epoch = crc32(epoch)
        self._in_doubt = True
        if self._epoch == known:
            self.at = Position(*position)
            return True
        (last,) = replies(self._servers.send(FEED, [feed.LAST]))
        self.at = feed.position(last) or Position(int(at * 1000), 0)
        self._note()
        return False

    def poll(self) -> tuple[bytes | None, bool]:
        """Read on; return the edition of the lists, and whether nothing is known to be missing.

        While our own store can't be used the feed is left as it is.

        Raises:
            ServersGone: the servers are out of reach.
        """
        if self._own.gone:
            (lists,) = replies(self._servers.send(LISTS_EDITION, [("GET", LISTS_EDITION)]))
            return lists, True
        start, missing = self.at, False
        if self._in_doubt or self._servers.edition != self._edition:
            edition = self._servers.edition
            missing = self._looked_back()
            start = Position(max(0, self.at.milliseconds - _BACK), 0)
            self._edition, self._in_doubt = edition, False
        while True:
            self._in_doubt = True  # unless it goes well
            lists, read = replies(self._servers.send(FEED, [("GET", LISTS_EDITION), feed.after(start)]))
            if feed.is_full(read) and not missing:  # we are late, and some may have been thrown away by now
                first, length = replies(self._servers.send(FEED, [feed.FIRST, feed.LENGTH_OF]))
                missing = self._missed(first, length)
            for entry in feed.entries(read, self._state.offset):
                start = entry.position
                if entry.host != self._host:
                    self._take(entry.rows)
            self.at = max(self.at, start)
            self._note()
            self._in_doubt = False
            if not feed.is_full(read):
                self._caught_up_at = monotonic()
                return lists, not missing
            if self._own.sizes()["pending"] > _FULL:
                return lists, not missing

    def interrupted(self) -> None:
        """Look back before reading on: the servers were out of reach."""
        self._in_doubt = True

    def _looked_back(self) -> bool:
        """See what of the feed there is, and return whether some of what we have not read is there no more."""
        first, last, length = replies(self._servers.send(FEED, [feed.FIRST, feed.LAST, feed.LENGTH_OF]))
        ends = feed.position(last)
        missing = self._missed(first, length) | self._servers_changed()
        if ends:  # else another server has taken the place of one that had more
            self.at = min(self.at, ends)
        return missing

    def _missed(self, first: Reply, length: int) -> bool:
        """Whether the feed, of such a length and with such a first entry, reaches no longer back to what we have."""
        begins = feed.position(first)
        return bool(begins and begins > self.at and length >= feed.LENGTH)

    def _servers_changed(self) -> bool:
        """Whether a server was started since we asked last, or another one has taken its place.

        It may have what it had when it was saved last, and that may be an hour ago.
        """
        try:
            told = [answers(shard([("INFO", "server")]))[0] for shard in self._servers.shards()]
        except ServersGone:  # one of several, and when it is back we ask again
            return False
        runs = sorted(found[1] for each in told if isinstance(each, bytes) and (found := _RUN.search(each)))
        return bool(runs) and self._state.meets(crc32(b"".join(runs)))

    def _take(self, rows: Mapping[str, Mapping[str, Record]]) -> None:
        for key, of_key in rows.items():
            if of_key:
                self._own.merge(key, of_key)
                self.received += len(of_key)
                if key.startswith(LOADED):
                    self._state.loaded()

    def _note(self) -> None:
        self._state.read_up_to(self._epoch, *self.at)
