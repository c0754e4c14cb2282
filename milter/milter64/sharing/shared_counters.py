"""Limits over several hosts: each counts what it lets through by itself, and tells the others behind.

    take ---> own table ---> used up here: that is the answer
                        ---> much was taken that others don't know of, or little is left: the server is asked
                        ---> else it counts here, and the server is told four times a second

What the server answers puts the own counters off. It is told each time how far off they are here, so a server that has
lost everything learns it from the hosts.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import ceil, inf
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

from milter64.limits.rate_table import Counter, RateTable
from milter64.sharing.counter_script import Told, answer, command, key
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Reply, Servers, ServersGone
from milter64.sharing.replies import answers

if TYPE_CHECKING:
    from concurrent.futures import Future

_EVERY = 0.25
"""Seconds between two times that the server is told."""
_SHARE = 0.1
"""The part of a limit that all hosts together may take before they tell each other."""
_MOST = 10_000
"""Clients of whom the server is to be told; what is more it isn't told."""
_AT_ONCE = 100
"""Counters that a script is given: it keeps others from the server for a fraction of a millisecond."""
_LATELY = 60.0


class SharedCounters:
    """Counts what is taken, here and on all hosts; every thread may call everything."""

    def __init__(
        self, table: RateTable, servers: Servers, state: HostState, *, exact: bool, on_fault: Callable[[], None]
    ) -> None:
        """Tell the server what is taken from now on; with `exact` it is asked each time.

        `on_fault` is called while an exception is being handled that nobody has thought of.
        """
        self._table = table
        self._servers = servers
        self._state = state
        self._exact = exact
        self._on_fault = on_fault
        self._due: dict[str, Sequence[Counter]] = {}
        """Of what the server is to be told: counters that count together, by the first one's name."""
        self._unheard = deque[Told](maxlen=_MOST)
        """What it was to be told when it could not be asked."""
        self._just_told = deque[int](maxlen=_MOST)
        self._told = deque[tuple[float, int]]()
        """How many takes were told, and when, up to the last time."""
        self._ending = Event()
        self._thread = Thread(target=self._tell_behind, name="limits", daemon=True)
        self._thread.start()

    def take(self, counters: Sequence[Counter]) -> tuple[Counter, int] | None:
        """Count one more by all counters, as `RateTable.take` does, of which other hosts count too."""
        table, state = self._table, self._state
        if not state.allowed or state.lacking_room:  # for a counter of each stranger there would be none
            return table.take(counters)
        found = self._take(counters, 0.0 if self._exact else _SHARE / state.hosts)
        return found if found is None or found[1] else self._ask(counters)

    def tell(self) -> None:
        """Tell the server what is due, and wait for what it answers."""
        due = self._gathered()
        if not self._state.allowed:
            return
        waiting: list[tuple[Sequence[Told], Future[list[Reply]]]] = []
        for told in _batches(due, together=self._servers.together):
            with suppress(ServersGone):
                waiting.append((told, self._servers.send(key(told[0].counter), [command(told, asks=False)])))
        for told, future in waiting:
            with suppress(ServersGone):
                self._hear(told, answers(future)[0])
        now = monotonic()
        self._told.append((now, sum([self._just_told.popleft() for _ in range(len(self._just_told))])))
        while self._told[0][0] < now - _LATELY:
            self._told.popleft()

    @property
    def waiting(self) -> int:
        """For how many clients the server is yet to be told something."""
        return len(self._due)

    @property
    def lately(self) -> int:
        """How many takes the server was told of in the last minute."""
        since = monotonic() - _LATELY
        return sum(number for at, number in tuple(self._told) if at >= since)

    def close(self) -> None:
        """Tell the server what is left to tell."""
        self._ending.set()
        self._thread.join()

    def _take(self, counters: Sequence[Counter], share: float) -> tuple[Counter, int] | None:
        """Count one more here, unless the server is to be asked, which hears of it soon."""
        found = self._table.take(counters, share)
        if found is None and len(self._due) < _MOST:
            self._due[counters[0].known_as] = counters
        return found

    def _ask(self, counters: Sequence[Counter]) -> tuple[Counter, int] | None:
        """Have the server count one more; where it can't be asked, only we do, and it hears of it when it can."""
        told = [Told(counter, *known) for counter, known in zip(counters, self._table.tell(counters), strict=True)]
        try:
            (reply,) = self._servers.ask(key(counters[0]), [command(told, asks=True)])
        except ServersGone:
            reply = None
        if (heard := answer(reply, len(counters))) is None:
            self._unheard += told
            return self._take(counters, inf)
        self._table.put_off(counters, heard.seconds)
        self._just_told.append(
            sum(each.taken for each in told) + (0 if heard.wait else sum(each.takes for each in counters))
        )
        return (counters[heard.used_up], max(1, ceil(heard.wait))) if heard.wait else None

    def _tell_behind(self) -> None:
        ended = False
        while not ended:
            ended = self._ending.wait(_EVERY)
            try:
                self.tell()
            except Exception:  # noqa: BLE001  whatever it is, limits go on here
                self._on_fault()

    def _gathered(self) -> list[Told]:
        """Return what is due, which is told from now on, whether it gets there or not."""
        due: dict[str, Told] = {}
        for _ in range(len(self._unheard)):  # while sessions add more
            counter, taken, known = self._unheard.popleft()
            before = due.get(counter.known_as)
            due[counter.known_as] = Told(counter, taken + (before.taken if before else 0), known)
        for _ in range(len(self._due)):
            _, counters = self._due.popitem()
            for counter, (taken, known) in zip(counters, self._table.tell(counters), strict=True):
                before = due.get(counter.known_as)
                if before or taken or not counter.takes:  # else another worker has told it
                    due[counter.known_as] = Told(counter, taken + (before.taken if before else 0), known)
        return list(due.values())

    def _hear(self, told: Sequence[Told], reply: Reply) -> None:
        """Have our counters put off to what the server has answered."""
        if (heard := answer(reply, len(told))) is None:
            return
        for each, seconds in zip(told, heard.seconds, strict=True):
            self._table.put_off([each.counter], [seconds])
        self._just_told.append(sum(each.taken for each in told))


def _batches(due: Sequence[Told], *, together: bool) -> Iterator[Sequence[Told]]:
    """Yield what one script each may be given: any counters that are together, else those of one block."""
    blocks: dict[str, list[Told]] = {}
    for each in due:
        blocks.setdefault("" if together else each.counter.known_as.partition("}")[0], []).append(each)
    for block in blocks.values():
        for first in range(0, len(block), _AT_ONCE):
            yield block[first : first + _AT_ONCE]
