"""What systemd is to a service: a socket for its notifications, and a watchdog that counts on some of them."""

import os
import socket
import struct
from pathlib import Path
from typing import Self

from rig.process import PATIENCE, until

_CREDENTIALS = struct.Struct("iII")


class ServiceManager:
    """A socket at `address`, a path, or an abstract name that begins with "@"; a context manager."""

    def __init__(self, address: Path | str, *, watchdog: float = 0) -> None:
        """Ask for a sign of life every `watchdog` seconds, if that isn't 0."""
        self._address = str(address)
        self._watchdog = watchdog
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(f"\0{self._address[1:]}" if self._address.startswith("@") else self._address)
        self.pids: set[int] = set()
        """The processes that have notified us; systemd listens to a service's first process alone."""

    @property
    def environment(self) -> dict[str, str]:
        """What systemd would add to a service's environment."""
        watchdog = {"WATCHDOG_USEC": f"{self._watchdog * 1_000_000:.0f}"} if self._watchdog else {}
        return {"NOTIFY_SOCKET": self._address, **watchdog}

    @property
    def wrapper(self) -> tuple[str, ...]:
        """A command that runs another with that environment, under the same process id."""
        return ("env", *(f"{name}={value}" for name, value in self.environment.items()))

    def receive(self, seconds: float = PATIENCE) -> dict[str, str]:
        """Wait for the next notification, and return its assignments."""
        self._socket.settimeout(seconds)
        datagram, ancillary, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
        ((_, _, credentials),) = ancillary
        self.pids.add(_CREDENTIALS.unpack(credentials)[0])
        return dict(line.split("=", 1) for line in datagram.decode().split("\n"))

    def expect(self, name: str) -> dict[str, str]:
        """Wait for a notification that has the variable `name`, whatever comes before, and return it."""
        return until(lambda: (words := self.receive()) and name in words and words, f"{name} from the service")

    @property
    def pending(self) -> bool:
        """Whether a notification waits to be received."""
        self._socket.settimeout(0)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def abstract() -> str:
    """Return an abstract address that nobody else has."""
    return f"@milter64-{os.getpid()}-{os.urandom(4).hex()}"
