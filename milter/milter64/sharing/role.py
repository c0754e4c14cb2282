"""What one worker of a host does for all: it hears of the others, reads what they have learned, and keeps house.

Each tenth of a second it reads the feed, and each half a second it says and hears how everybody stands. What takes
long is done in steps in between: to compare all rows with the servers', and to make room there.
"""

from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread
from time import monotonic, sleep
from typing import Protocol

from milter64.greylist.row import Record
from milter64.sharing.follower import Follower
from milter64.sharing.heartbeat import Heartbeat
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import ServersGone
from milter64.sharing.members import Member
from milter64.sharing.reconciling import Reconciling
from milter64.sharing.replies import MayNotShare
from milter64.sharing.room import Room
from milter64.store.interface import Store, StoreGone

_POLL = 0.1
_BEAT = 0.5
_ROLE = 0.5
"""Seconds between two tries to get the role."""
_COUNT = 10.0
"""Seconds between two looks how many rows there are on the servers."""
_STRETCH, _BREATH = 0.001, 0.003
"""Seconds of a step, about, and those in which sessions have the GIL then."""
_MOSTLY = 0.9
"""The part of our own store that may be full if we are to have everything that others know."""
_LATE = 2.0
"""Seconds that the feed may be ahead of us."""


class Lists(Protocol):
    """The lists by command, as this wing sees them."""

    @property
    def lately(self) -> int:
        """How many entries were sent in the last minute."""

    @property
    def waiting(self) -> int:
        """How many entries wait to be sent."""

    def step(self, edition: bytes | None) -> None:
        """Keep files and servers equal; see `SharedLists.step`."""


class Role:
    """Runs on a thread of its own in each worker, and does something in the one that has the role."""

    def __init__(  # noqa: PLR0913, PLR0917  all that is to be done
        self,
        state: HostState,
        heartbeat: Heartbeat,
        follower: Follower,
        reconciling: Reconciling,
        room: Room,
        own: Store[Record],
        *,
        lists: Lists | None = None,
        say: Callable[[float, float, str, float], Member],
        tell: Callable[[str], None],
        meet: Callable[[Sequence[str]], None],
        on_fault: Callable[[], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin when `start` is called.

        `say` makes what the others hear of us, of the server's time, how far ahead ours is, our state and our lag.
        `tell` is told why we may not share, once, and then that we may, as "". `meet` is told who shares, when that
        has changed. `on_fault` is called while an exception of ours is being handled.
        """
        self._state = state
        self._heartbeat = heartbeat
        self._follower = follower
        self._reconciling = reconciling
        self._room = room
        self._own = own
        self._lists = lists
        self._say = say
        self._tell = tell
        self._meet = meet
        self._on_fault = on_fault
        self._clock = clock
        self.members: list[Member] = []
        """All hosts, as heard last."""
        self._heard_at = 0.0
        self._epoch: bytes | None = None
        self._beat_at = self._count_at = 0.0
        self._fits = True
        self._rows_before = 0
        self._compare = False
        self._comparing: Iterator[None] | None = None
        self._tidying: Iterator[None] | None = None
        self._told = ""
        self._closing = Event()
        self._thread = Thread(target=self._run, name="sharing", daemon=True)
        self.start = self._thread.start

    def close(self) -> None:
        """End, and let another worker have the role."""
        self._closing.set()
        self._thread.join(2.0)
        if self._compare or self._comparing:  # who has the role next is to begin anew
            self._state.owe(everything=True)
        self._state.leave_role()

    def _run(self) -> None:
        pause = 0.0
        while not self._closing.wait(pause):
            pause = self.turn()

    def turn(self) -> float:
        """Do what is due, and return after how many seconds more will be."""
        if not self._state.takes_role():
            return _ROLE
        try:
            self._step()
        except (ServersGone, StoreGone):  # which say so themselves, and come back
            self._interrupted()
        except MayNotShare as why:
            self._state.refuse()
            self._interrupted()
            self._note(str(why))
            return _BEAT
        except Exception:  # noqa: BLE001  without its thread the host would share nothing any more
            self._on_fault()
            self._interrupted()
            return _BEAT
        return _BREATH if self._comparing or self._tidying else _POLL

    def _step(self) -> None:
        """Hear, read, and go on with what takes long.

        Raises:
            ServersGone: the servers are out of reach.
            MayNotShare: we may not share.
            StoreGone: our own store can't be used.
        """
        now = self._clock()
        if now >= self._beat_at:
            self._beat()
            self._beat_at = now + _BEAT
        lists, complete = self._follower.poll()
        if not complete or self._state.owes:
            self._state.owe(everything=False)
            self._compare = True
        if self._lists:
            self._lists.step(lists or b"")
        if now >= self._count_at:
            self._count()
            self._count_at = now + _COUNT
        self._go_on()
        self._state.found(
            whole=self._standing == "whole",
            hosts=len(self._sharing),
            lag=self._follower.lag,
        )
        self._note("")

    @property
    def _standing(self) -> str:
        if self._compare or self._comparing:
            return "loading"
        return "whole" if self._fits and self._follower.lag < _LATE else "behind"

    @property
    def _sharing(self) -> list[str]:
        return [member.host for member in self.members if not member.gone(self._heard_at)]

    def _beat(self) -> None:
        state, lag = self._state, self._follower.lag
        beat = self._heartbeat.beat(state.offset, lambda at, offset: self._say(at, offset, self._standing, lag))
        state.measured(beat.offset)  # before any row is read
        before, self.members, self._heard_at = self._sharing, beat.members, beat.at
        if self._sharing != before:
            self._meet(self._sharing)
        if beat.epoch != self._epoch:
            self._epoch = beat.epoch
            self._compare |= not self._follower.begin(beat.epoch, beat.at)

    def _count(self) -> None:
        """See how many rows there are on the servers and here, and whether that is too much, or something is lost."""
        rows, own = self._room.rows(), self._own.sizes()["rows"]
        fits = max(rows, own) <= _MOSTLY * self._own.caps["rows"]
        emptied = own < self._rows_before / 2
        self._compare |= emptied or (fits and not self._fits)
        self._fits, self._rows_before = fits, own
        self._state.lacks_room(lacks=self._room.lacks(rows))
        if self._room.lacks(rows) and not self._tidying:
            self._tidying = self._room.steps(self._state.offset)

    def _go_on(self) -> None:
        """Go on for a tenth of a second with what takes long, in stretches that nobody notices."""
        if self._compare and not self._comparing:
            self._compare, self._comparing = False, self._reconciling.steps(fetch=self._fits)
        until = monotonic() + _POLL
        while (self._comparing or self._tidying) and monotonic() < until and not self._closing.is_set():
            if self._comparing and not _goes_on(self._comparing):
                self._comparing = None
            if self._tidying and not _goes_on(self._tidying):
                self._tidying = None
            sleep(_BREATH)

    def _interrupted(self) -> None:
        """Give up what was begun; it is begun anew when the servers are there again."""
        self._compare |= self._comparing is not None
        self._comparing = self._tidying = None
        self._beat_at = self._count_at = 0.0
        self._follower.interrupted()
        if self._lists:
            self._lists.step(None)

    def _note(self, why: str) -> None:
        if why != self._told:
            self._told = why
            self._tell(why)


def _goes_on(steps: Iterator[None]) -> bool:
    """Take steps for a stretch, and return whether there are more."""
    until = monotonic() + _STRETCH
    return any(monotonic() >= until for _ in steps)
