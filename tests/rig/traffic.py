"""Mail that flows over several hosts: new senders, retries that are due wherever, and senders that have passed before.

All that was answered is kept, and `wrong` says which of it no sender may have been told.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread

import pytest

from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record
from milter64.store.sqlite_store import SqliteStore
from rig.direct import Message
from rig.hosts import DELAY
from rig.milterclient import MilterClient
from rig.process import until
from rig.sharing import KIND

THREADS = 16
_MARGIN = 0.3
"""Seconds after the delay in which nobody tries: clocks agree to a tenth of a second."""
SPREAD = 1.5
"""Seconds within which workers and hosts know what one of them has learned."""
OLD = range(1, 301)
"""Senders that have passed a day ago."""
_RECIPIENT = "b@lab.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A sender's try at a host: when it began by the monotonic clock, how long RCPT took, and its answer."""

    sender: int
    host: int
    at: float
    took: float
    action: str
    text: str

    @property
    def answered(self) -> float:
        """When the answer was there."""
        return self.at + self.took


@dataclass(slots=True, kw_only=True)
class Trouble:
    """From when to when hosts may not have heard of each other."""

    began: float
    ended: float


@dataclass(slots=True)
class Pace:
    """What threads have in common: who is to try again, and who has passed."""

    lock: Lock = field(default_factory=Lock)
    numbers: "count[int]" = field(default_factory=lambda: count(OLD.stop))
    due: deque[tuple[float, int]] = field(default_factory=deque)
    passed: list[int] = field(default_factory=lambda: list(OLD))


class Traffic:
    """Flows from its `start` to its `end`, `rate` sessions a second, unless it is held."""

    def __init__(self, sockets: Sequence[Path], rate: float = 200.0) -> None:
        """Go to milters at unix sockets."""
        self._sockets = [str(path) for path in sockets]
        self._interval = THREADS / rate
        self._pace = Pace()
        self._flowing, self._ended = Event(), Event()
        self._threads = [Thread(target=self._run, args=(Random(seed),), daemon=True) for seed in range(THREADS)]
        self._busy = 0
        self.attempts: list[Attempt] = []

    def start(self) -> None:
        """Begin to flow."""
        for thread in self._threads:
            thread.start()
        self.flow()

    def flow(self) -> None:
        """Go on."""
        self._flowing.set()

    def hold(self) -> None:
        """Hold it, and wait until all have their answers."""
        self._flowing.clear()
        until(lambda: not self._busy, "all answers")

    def end(self) -> None:
        """Flow no more."""
        self._ended.set()
        self._flowing.set()
        for thread in self._threads:
            thread.join()

    def _run(self, random: Random) -> None:
        due = time.monotonic() + random.random() * self._interval
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            if not self._flowing.is_set():
                self._flowing.wait()
                due = time.monotonic() + random.random() * self._interval
                continue
            due = max(due + self._interval, time.monotonic() - 1.0)
            with self._pace.lock:
                self._busy += 1
            try:
                self._try(self._next(random), random.randrange(len(self._sockets)))
            finally:
                with self._pace.lock:
                    self._busy -= 1

    def _next(self, random: Random) -> int:
        """Return who tries: one that is due, one that has passed, or a new one."""
        pace = self._pace
        with pace.lock:
            if random.random() < 0.4:
                return random.choice(pace.passed)
            if pace.due and pace.due[0][0] <= time.monotonic():
                return pace.due.popleft()[1]
            return next(pace.numbers)

    def _try(self, sender: int, host: int) -> None:
        message = _message(sender)
        began = time.monotonic()
        try:
            with MilterClient(self._sockets[host]) as client:
                reply = message.offer_in(client)
            action, text = reply.action, reply.text
        except OSError as error:
            action, text = "error", repr(error)
        attempt = Attempt(sender=sender, host=host, at=began, took=time.monotonic() - began, action=action, text=text)
        with self._pace.lock:
            self.attempts.append(attempt)
            if action == "continue":
                self._pace.passed.append(sender)
            else:
                self._pace.due.append((attempt.answered + DELAY + _MARGIN, sender))


def _message(sender: int) -> Message:
    return Message(
        address=f"2001:db8:{sender:x}::1",
        helo=f"s{sender}.example",
        sender=f"a@s{sender}.example",
        recipient=_RECIPIENT,
    )


def pair(sender: int) -> str:
    """Return the key of a sender's rows."""
    message = _message(sender)
    return pair_key(message.sender, message.recipient)


def remember(path: Path, senders: Iterable[int]) -> None:
    """Have a store know that some senders have passed a day ago."""
    at = time.time() - 86400.0
    with closing(SqliteStore(path, KIND, pytest.fail)) as store:
        for sender in senders:
            row = Record(generation=0, first_seen=at - sender, passed_at=at)
            store.merge(pair(sender), {f"net:2001:db8:{sender:x}::/64": row})


def wrong(attempts: Iterable[Attempt], troubles: Sequence[Trouble]) -> list[tuple[str, Attempt]]:
    """Return what should have been answered otherwise, and why, where hosts were in trouble at times."""
    found = list[tuple[str, Attempt]]()
    before: defaultdict[int, list[Attempt]] = defaultdict(list)
    for attempt in sorted(attempts, key=lambda each: each.at):
        tries = before[attempt.sender]
        known = [each for each in tries if _known(each, attempt.host, troubles) <= attempt.at]
        if attempt.action == "continue":
            if (
                attempt.sender not in OLD
                and min((each.at for each in tries), default=attempt.answered) > attempt.answered - DELAY + _MARGIN
            ):
                found.append(("it is too early", attempt))
        elif not (attempt.action == "tempfail" and attempt.text.startswith("450 ")):
            found.append(("nothing but the greylist keeps it waiting", attempt))
        elif attempt.sender in OLD or any(each.action == "continue" for each in known):
            found.append(("it has passed before", attempt))
        elif any(each.answered + DELAY + _MARGIN / 2 <= attempt.at for each in known):
            found.append(("it has waited for long enough", attempt))
        tries.append(attempt)
    return found


def _known(attempt: Attempt, host: int, troubles: Sequence[Trouble]) -> float:
    """Return from when on a host knows of an attempt."""
    at = attempt.answered + SPREAD
    if attempt.host == host:
        return at
    return max([at, *(trouble.ended for trouble in troubles if trouble.began < at and attempt.at < trouble.ended)])
