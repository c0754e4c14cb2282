"""What the supervisor and its children say to each other over a channel, a socket of one octet a word."""

import signal
import socket
from collections.abc import Callable
from typing import Protocol

Duty = Callable[[socket.socket, int], int]
"""What a child of the supervisor does: given its channel to it, and its slot, it returns the process's exit code."""


class Log(Protocol):
    """Where lines go that an admin should read."""

    def info(self, event: str, **fields: object) -> None:
        """Log something that is worth knowing."""

    def warning(self, event: str, **fields: object) -> None:
        """Log something that an admin should look at."""

    def error(self, event: str, **fields: object) -> None:
        """Log something that an admin must look at."""

    def exception(self, event: str, **fields: object) -> None:
        """Log our own fault, with the traceback of the exception that is being handled."""


READY = b"+"
"""What a child says when it can serve, and when it is asked and has seen that it does."""

OPEN = b"o"
"""What a worker is told when all of its crew can serve: let sessions in."""

ASK = b"?"
"""What a child is asked, to see that it serves."""

ILL = b"!"
"""What the metrics server is asked instead of `ASK` while the service doesn't serve as it should."""

SHUT = b"-"
"""What a worker says when it lets nobody in any more."""

RETIRE = b"r"
STOP = b"s"
"""What a worker is told: take no new session, and end when the last is over."""

GRACE = {
    RETIRE: 3600.0,  # a session may last that long (Postfix's limits add up to less)
    STOP: 5.0,
    bytes([signal.SIGTERM]): 5.0,
    b"": 0.5,  # the supervisor is gone
}
"""Seconds that sessions are given to end in, for each way to be told."""
