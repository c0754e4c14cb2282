"""What the supervisor tells systemd: datagrams to the socket that NOTIFY_SOCKET names, sd_notify(3).

Where that variable is missing, as in a terminal, nothing is said. A word that can't be delivered is dropped: the
service must not hang, or end, because its listener is slow or gone.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

_MICROSECONDS = 1_000_000


class Notifier:
    """The way to the service manager, if there is one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read NOTIFY_SOCKET, a path or "@" and an abstract name, and WATCHDOG_USEC and WATCHDOG_PID."""
        self._path = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "") if mine else ""
        self.watchdog = int(microseconds) / _MICROSECONDS if microseconds.isdecimal() and self._path else 0.0
        """Seconds within which `alive` is to be said again and again; 0 if nobody watches."""

    def ready(self, status: str) -> None:
        """Say that the service can be connected to, at the start, and after each `reloading` whatever came of it."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that a reload begins."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """Say that the service ends."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Keep the watchdog from biting."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say how things stand, for `systemctl status`."""
        self._send(f"STATUS={text}")

    def _send(self, *lines: str) -> None:
        if not self._path:
            return
        words = "\n".join(line.replace("\n", " ") for line in lines)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end, suppress(OSError):
            end.sendto(words.encode(), self._path)
