"""What the supervisor tells systemd: datagrams to the socket that NOTIFY_SOCKET names, sd_notify(3).

Where that variable is missing, as in a terminal, nothing is said. The service must not hang, or end, because its
listener is slow or gone: what can't be delivered waits for `again`, but for signs of life, which are soon out of date.
"""

import os
import socket
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

_SHORTEST = 0.3
"""Seconds; who bites sooner would have us do nothing else."""
_MICROSECONDS = 1_000_000
_DIGITS = 20
"""Those of 64 bits; int() raises of thousands."""
_MOST = 16
"""Words that may wait; of more the oldest are dropped, as each says how things stand now."""
_LONGEST = 1000
"""Characters of a line: a datagram that is too long would never be delivered."""


class Notifier:
    """The way to the service manager, if there is one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read NOTIFY_SOCKET, a path or "@" and an abstract name, and WATCHDOG_USEC and WATCHDOG_PID."""
        name = environment.get("NOTIFY_SOCKET", "")
        self._path = f"\0{name[1:]}" if name.startswith("@") else name
        self._waiting: deque[bytes] = deque(maxlen=_MOST)
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "") if mine else ""
        is_number = microseconds.isdecimal() and len(microseconds) <= _DIGITS
        wanted = is_number and int(microseconds) > 0 and self._path
        self.watchdog = max(int(microseconds) / _MICROSECONDS, _SHORTEST) if wanted else 0.0
        """Seconds within which `alive` is to be said again and again; 0 if nobody watches."""

    def ready(self, status: str) -> None:
        """Say that the service can be connected to, at the start, and after each `reloading` whatever came of it."""
        self._say("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that a reload begins."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._say("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """Say that the service ends."""
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """Say how things stand, for `systemctl status`."""
        self._say(f"STATUS={text}")

    def alive(self) -> None:
        """Keep the watchdog from biting."""
        self.again()
        self._send(b"WATCHDOG=1")

    def again(self) -> None:
        """Try once more to say what could not be delivered."""
        while self._waiting and self._send(self._waiting[0]):
            self._waiting.popleft()

    def _say(self, *lines: str) -> None:
        words = "\n".join(line.replace("\n", " ")[:_LONGEST] for line in lines)
        self._waiting.append(words.encode(errors="backslashreplace"))
        self.again()

    def _send(self, words: bytes) -> bool:
        """Return whether nothing is left to be done."""
        if not self._path:
            return True
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end:
            end.sendto(words, self._path)
            return True
        return False
