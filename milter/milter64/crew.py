"""Crews and workers as the supervisor knows them: what they run, on which CPU, how soon a dead one is replaced."""

import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field

from milter64 import worker
from milter64.listener import Settings
from milter64.sockets import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a configuration makes of the service."""

    settings: Settings
    work: worker.Work
    log: worker.Log
    metrics: worker.Duty | None = None
    """What one more process does, beside the workers: it serves the numbers."""


@dataclass(slots=True, kw_only=True, eq=False)
class Crew:
    """The workers of one configuration, and where they listen."""

    plan: Plan
    listener: Listener


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """A process that serves; `channel` leads to it."""

    crew: Crew
    duty: worker.Duty
    pid: int
    channel: socket.socket
    deaths: int
    """How many workers before it have died soon after their start."""
    born: float = field(default_factory=time.monotonic)
    ready: bool = False
    awake: bool = True
    """Whether it has answered since it was last asked."""

    @property
    def answers(self) -> bool:
        """Whether it serves mail, and so answers when it is asked."""
        return self.duty is not self.crew.plan.metrics

    def order(self, word: bytes) -> None:
        """Tell it one of the words of worker.py."""
        with suppress(OSError):  # its end will be heard of in a moment
            self.channel.send(word)

    def ask(self) -> None:
        """Have it show that it isn't stuck. One that is gets no second question, so its channel can't fill."""
        if self.awake:
            self.awake = False
            self.order(worker.ASK)


_BACKOFF = (0, 1, 2, 4, 8, 16, 30)


def backoff(deaths: int) -> int:
    """Return the seconds before a worker is replaced, after so many deaths in a row."""
    return _BACKOFF[min(deaths, len(_BACKOFF) - 1)]
