"""Crews and workers as the supervisor knows them: what they run, on which CPU, how soon a dead one is replaced."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from milter64.config.listen_address import Endpoint, Settings
from milter64.service import worker
from milter64.service.channel import ASK, GRACE, SHUT, Duty, Log
from milter64.service.crash_frames import LastWords
from milter64.service.listening_socket import Listener
from milter64.telemetry.metrics import Process, Result


class Counts(Protocol):
    """What the supervisor has counted."""

    def died(self, process: Process) -> None:
        """Count a process that died, to be replaced."""

    def reloaded(self, result: Result) -> None:
        """Count a reload."""

    def left(self, slot: int) -> None:
        """Take note that a worker has left its slot: it has ended."""


class Uncounted:
    """Where nobody wants numbers."""

    def died(self, process: Process) -> None:
        """Count nothing."""

    def reloaded(self, result: Result) -> None:
        """Count nothing."""

    def left(self, slot: int) -> None:
        """Count nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a configuration makes of the service."""

    settings: Settings
    work: worker.Work
    log: Log
    mode: str = "enforce"
    """As the log is to say it once this serves."""
    counts: Counts = field(default_factory=Uncounted)
    metrics: Callable[[Endpoint, socket.socket, int], int] | None = None
    """What one more process does, beside the workers: it serves the numbers. It is told where the milter listens."""


@dataclass(slots=True, kw_only=True, eq=False)
class Crew:
    """The workers of one configuration, and where they listen."""

    plan: Plan
    listener: Listener
    event: str
    """What has happened when it serves: "ready", "reloaded", or "socket opened anew"."""


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """A process that serves; `channel` leads to it, and no other living one has its `slot`."""

    crew: Crew
    duty: Duty
    process: Process = "worker"
    slot: int
    pid: int
    channel: socket.socket
    last_words: LastWords
    deaths: int
    """How many workers before it have died soon after their start."""
    born: float = field(default_factory=time.monotonic)
    ready: bool = False
    asked: float | None = None
    """Since when it has owed an answer."""
    looks: int = 0
    """How often that was seen."""
    shut: bool = False
    """Whether it lets nobody in any more."""
    due: float | None = None
    """When it must have ended, if it was told to end."""
    killed: bool = False

    @property
    def doing(self) -> str:
        """What it is doing, or was when it died, as far as that is known."""
        phase = "ending" if self.due else "serving" if self.ready else "getting ready"
        words = self.last_words.read()
        return f"{phase}: {words}" if words else phase

    def order(self, word: bytes) -> None:
        """Tell it one of the words of channel.py."""
        if word in GRACE:
            self.due = min(self.due or float("inf"), time.monotonic() + GRACE[word] + _GRACE)
        with suppress(OSError):  # its end will be heard of in a moment, or its silence
            self.channel.send(word)

    def ask(self, word: bytes = ASK) -> None:
        """Have it show that it serves. One that is asked already gets no second question."""
        if self.asked is None:
            self.asked, self.looks = time.monotonic(), 0
            self.order(word)
        self.looks += 1

    def hear(self, word: bytes) -> None:
        """Take note of what it has answered."""
        self.ready, self.asked = True, None
        self.shut = self.shut or word == SHUT

    def silent(self, seconds: float) -> bool:
        """Whether it has owed an answer that long. If we were stopped meanwhile, or slept, that is no sign."""
        return self.asked is not None and self.looks > _LOOKS and time.monotonic() - self.asked > seconds


_GRACE = 0.75
"""Seconds that a worker has to end in beyond those that its sessions have."""
_LOOKS = 3
_BACKOFF = (0, 1, 2, 4)


def backoff(deaths: int) -> int:
    """Return the seconds before a worker is replaced, after so many deaths in a row: few, as it may be the only one."""
    return _BACKOFF[min(deaths, len(_BACKOFF) - 1)]
