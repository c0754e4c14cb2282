"""Compares all rows of a host with all rows on the servers, and has each get what the other has more.

That is done at start, and where something is missing: the servers were emptied, the feed didn't reach back to where we
had read it, or a worker has ended with rows that it could not send. Slowly, a step at a time, as mail goes on.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator

from milter64.greylist.row import Record, RecordKind
from milter64.sharing import row_texts
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Servers
from milter64.sharing.keys import LOADED, ROWS, digest
from milter64.sharing.outbox import Outbox
from milter64.sharing.scanning import scanned
from milter64.store.interface import Store

_STEP = 64
"""Rows of our own that are looked at in a step."""
_FULL = 5000
"""Rows that wait to be sent, or to be written, while which no more are put there."""


class Reconciling:
    """For one thread, that of the worker which has the role."""

    def __init__(  # noqa: PLR0913, PLR0917  both sides, and what is between them
        self,
        servers: Servers,
        state: HostState,
        own: Store[Record],
        outbox: Outbox,
        kind: RecordKind,
        now: Callable[[], float],
    ) -> None:
        self._servers = servers
        self._state = state
        self._own = own
        self._outbox = outbox
        self._kind = kind
        self._now = now

    def steps(self, *, fetch: bool) -> Iterator[None]:
        """Do it, a step at a time; between two of them others may work. Without `fetch` we get nothing.

        Raises:
            ServersGone: the servers are out of reach; it is to be begun anew.
            StoreGone: our own store can't be read.
        """
        own, offset = array("q"), self._state.offset
        for number, (key, group, row) in enumerate(self._own.everything()):
            own.append(_mark(digest(key), group, row_texts.dump(row, offset)))
            if number % _STEP == 0:
                yield
        own = array("q", sorted(own))
        yield
        found = bytearray(len(own))
        yield from self._compare(own, found, offset, fetch=fetch)
        for number, (key, group, row) in enumerate(self._own.everything()):
            at = _place(own, _mark(digest(key), group, row_texts.dump(row, offset)))
            if at < 0 or not found[at]:
                self._offer(key, group, row)
                while len(self._outbox) > _FULL:
                    yield
            if number % _STEP == 0:
                yield

    def _compare(self, own: "array[int]", found: bytearray, offset: float, *, fetch: bool) -> Iterator[None]:
        """Mark those of our own rows that the servers have, and fetch those that we don't have."""
        for key, reply in scanned(self._servers):
            if reply is None:
                yield
                while self._own.sizes()["pending"] > _FULL:
                    yield
                continue
            name, lacking = key.removeprefix(ROWS), dict[str, Record]()
            words = [word.decode(errors="replace") for word in reply]
            for group, text in zip(words[::2], words[1::2], strict=True):
                if (at := _place(own, _mark(name, group, text))) >= 0:
                    found[at] = 1
                elif fetch:
                    lacking |= row_texts.load_all({group: text}, offset)
            if lacking:
                self._own.merge(f"{LOADED}{name}", lacking)
        self._state.loaded()

    def _offer(self, key: str, group: str, row: Record) -> None:
        if self._kind.expires(row) > self._now():
            self._outbox.put(key, {group: row})


def _mark(name: str, group: str, text: str) -> int:
    """Return what a row is known by here: two of a million are alike once in thirty million times."""
    return hash((name, group, text))


def _place(marks: "array[int]", mark: int) -> int:
    """Return where a mark is, -1 if it isn't there."""
    at = bisect_left(marks, mark)
    return at if at < len(marks) and marks[at] == mark else -1
