"""The processes that the supervisor has started: how they are hired, asked, killed and buried."""

import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import NoReturn

from milter64.service.channel import ILL, Duty, Log
from milter64.service.crash_frames import LastWords
from milter64.service.event_loop import EventLoop
from milter64.service.signal_bell import SIGNALS
from milter64.service.worker_state import Crew, Worker
from milter64.telemetry.metrics import Process

RISE = 30.0
"""Seconds that a worker has to get ready."""
_ALLOWED = 10.0
"""Seconds in which a worker must answer a new session, or it is replaced."""
_SLOW = 5.0
"""Seconds without an answer after which it counts as stuck."""


class ChildProcesses:
    """All processes of all crews that have not been buried yet."""

    def __init__(self, loop: EventLoop, hear: Callable[[Worker], None]) -> None:
        """Have `hear` called by `loop` whenever a process says something, or ends."""
        self._loop = loop
        self._hear = hear
        self.everybody: set[Worker] = set()

    def of(self, crew: Crew | None) -> list[Worker]:
        """Return the processes of a crew."""
        return [member for member in self.everybody if member.crew is crew]

    def order(self, crew: Crew | None, word: bytes) -> None:
        """Tell the processes of a crew, or everybody, one of the words of channel.py."""
        for member in self.everybody if crew is None else self.of(crew):
            member.order(word)

    def stuck(self, crew: Crew | None) -> list[int]:
        """Return the workers of a crew from whom nobody has heard for long."""
        return [member.pid for member in self.of(crew) if member.process == "worker" and member.silent(_SLOW)]

    def report(self, crew: Crew | None) -> None:
        """Tell the metrics server of a crew whether that serves as it should."""
        members = self.of(crew)
        well = any(member.ready for member in members if member.process == "worker") and not self.stuck(crew)
        for member in members:
            if member.ready and member.process == "metrics server":
                member.ask() if well else member.order(ILL)

    def hire(self, crew: Crew, duty: Duty, process: Process, deaths: int, not_his: Iterable[socket.socket]) -> None:
        """Fork a process; it keeps nothing of the supervisor's, so that others can tell when that is gone.

        Its slot is the lowest that is free, so that there are no more of them than there were processes at once.

        Raises:
            OSError: the system has no room for another.
        """
        taken = {member.slot for member in self.everybody}
        slot = next(number for number in count() if number not in taken)
        last_words = LastWords()
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            last_words.close()
            raise
        # No signal may reach a child that has our handlers.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            pid = os.fork()
            if not pid:
                self._be_hired(partial(duty, theirs, slot), last_words, [ours, *not_his])
        except OSError:
            ours.close()
            last_words.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        ours.settimeout(0)
        member = Worker(
            crew=crew,
            duty=duty,
            process=process,
            slot=slot,
            pid=pid,
            channel=ours,
            last_words=last_words,
            deaths=deaths,
        )
        self.everybody.add(member)
        self._loop.when_readable(ours, partial(self._hear, member))

    def _be_hired(self, duty: Callable[[], int], last_words: LastWords, not_mine: Iterable[socket.socket]) -> NoReturn:
        exit_code = os.EX_SOFTWARE
        try:
            self._loop.close()
            for other in self.everybody:
                other.channel.close()
                other.last_words.close()
            for each in not_mine:
                each.close()
            last_words.take()
            exit_code = duty()
        finally:
            os._exit(exit_code)

    def bury(self, member: Worker) -> tuple[int, str]:
        """Let go of one that has ended, or can't be reached any more; return its exit code, and what it was doing."""
        self.everybody.remove(member)
        self._loop.forget(member.channel)
        member.channel.close()
        _, status = os.waitpid(member.pid, 0)
        doing = member.doing
        member.last_words.close()
        return os.waitstatus_to_exitcode(status), doing

    def tend(self, log: Log) -> None:
        """Ask the workers whether they serve. End who owes an answer for too long, doesn't end, or never gets ready."""
        now = time.monotonic()
        for member in self.everybody:
            if member.killed:
                kill(member, signal.SIGKILL)
            elif reason := _reason(member, now):
                log.warning("worker killed", pid=member.pid, reason=reason)
                member.killed = True
                # It leaves its last words by this one.
                kill(member, signal.SIGABRT)
                kill(member, signal.SIGCONT)
            elif member.ready and member.process == "worker":
                member.ask()


def tidy() -> None:
    """Let go of what nobody has any more, and set the rest aside: a child that looked through it would copy it all."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _reason(member: Worker, now: float) -> str:
    if member.due and now > member.due:
        return "it was told to end, and doesn't"
    if not member.ready and now - member.born > RISE:
        return f"it is not ready after {RISE:g} s"
    if member.silent(_ALLOWED):
        return f"no new session was answered within {_ALLOWED:g} s"
    return ""


def kill(member: Worker, number: signal.Signals) -> None:
    """Send a signal to one that is a child of ours until it is buried."""
    with suppress(ProcessLookupError):
        os.kill(member.pid, number)
