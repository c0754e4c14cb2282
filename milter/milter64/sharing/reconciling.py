"""Compares all rows of a host with all rows on the servers, and has each get what the other has more.

That is done at start, and where something is missing: the servers were emptied, the feed didn't reach back to where we
had read it, or a worker has ended with rows that it could not send. Slowly, a step at a time, as mail goes on.
"""

from array import array
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
_PARTS = 32_768
"""Of a million marks each has some thirty, which are gone through in a microsecond."""


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
        own, there, offset = _Marks(), _Marks(), self._state.offset
        for number, (key, group, row) in enumerate(self._own.everything()):
            own.add(_mark(digest(key), group, row_texts.dump(row, offset)))
            if number % _STEP == 0:
                yield
        yield from self._compare(own, there, offset, fetch=fetch)
        for number, (key, group, row) in enumerate(self._own.everything()):
            if _mark(digest(key), group, row_texts.dump(row, offset)) not in there:
                self._offer(key, group, row)
                while len(self._outbox) > _FULL:
                    yield
            if number % _STEP == 0:
                yield

    def _compare(self, own: "_Marks", there: "_Marks", offset: float, *, fetch: bool) -> Iterator[None]:
        """Note which of our rows the servers have, and fetch those that we don't have, which are ours then."""
        for key, reply in scanned(self._servers):
            if reply is None:
                yield
                while self._own.sizes()["pending"] > _FULL:
                    yield
                continue
            name, lacking = key.removeprefix(ROWS), dict[str, Record]()
            words = [word.decode(errors="replace") for word in reply]
            for group, text in zip(words[::2], words[1::2], strict=True):
                mark = _mark(name, group, text)
                if mark not in own:
                    if not fetch:
                        continue
                    lacking |= row_texts.load_all({group: text}, offset)
                there.add(mark)
            if lacking:
                self._own.merge(f"{LOADED}{name}", lacking)
            yield
        self._state.loaded()

    def _offer(self, key: str, group: str, row: Record) -> None:
        if self._kind.expires(row) > self._now():
            self._outbox.put(key, {group: row})


def _mark(name: str, group: str, text: str) -> int:
    """Return what a row is known by here: two of a million are alike once in thirty million times."""
    return hash((name, group, text))


class _Marks:
    """Many marks in little room; to sort them would keep the GIL from sessions for as long as that takes."""

    def __init__(self) -> None:
        self._parts: dict[int, array[int]] = {}

    def add(self, mark: int) -> None:
        if (part := self._parts.get(mark % _PARTS)) is None:
            part = self._parts[mark % _PARTS] = array("q")
        part.append(mark)

    def __contains__(self, mark: int) -> bool:
        return mark in self._parts.get(mark % _PARTS, ())
