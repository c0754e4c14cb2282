"""The networks that servers and clients of a story live in: the one of the tests themselves, or a namespace.

A namespace here has no name. It exists as long as someone holds it, a descriptor or a process, so that parallel runs
can't collide, and nothing is left behind however the tests end.
"""

import ctypes
import errno
import os
import secrets
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_T = TypeVar("_T")


class Network:
    """The network that the tests run in; `HERE` is the one instance."""

    def command(self, *words: str) -> list[str]:
        """Return what to execute for `words` to run in this network.

        The process keeps its id, and gets SIGTERM when the one that started it ends.
        """
        return ["setpriv", "--pdeathsig", "TERM", "--", *words]

    def call(self, function: Callable[[], _T]) -> _T:
        """Return what `function` returns; the sockets it makes and the children it starts are of this network."""
        return function()

    def run(self, *words: str, stdin: str = "") -> str:
        """Run a command to its end and return its output; what it said is in the error if it fails."""
        done = subprocess.run(self.command(*words), input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def connect(self, host: str, port: int, *, source: str = "", timeout: float = 30.0) -> socket.socket:
        """Return a TCP connection from this network, from the address `source` if one is given."""
        return self.call(
            lambda: socket.create_connection((host, port), timeout, source_address=(source, 0) if source else None)
        )

    def reserve(self, *addresses: str, port: int = 0) -> "Reservation":
        """Reserve a TCP port that is free on all of the addresses: any, or `port` in a namespace of one's own."""
        return self.call(lambda: Reservation(addresses, port))


HERE = Network()


class Namespace(Network):
    """A new network namespace with nothing in it but a loopback interface; a context manager, closed at its end."""

    def __init__(self) -> None:
        self._descriptor = _in_thread(_unshare)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """The namespace as a file, for other processes."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def command(self, *words: str) -> list[str]:
        return super().command("nsenter", f"--net={self.path}", "--", *words)

    def call(self, function: Callable[[], _T]) -> _T:
        def inside() -> _T:
            if _libc.setns(self._descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            return function()

        return _in_thread(inside)

    def ip(self, *commands: str) -> None:
        """Carry out what the ip command is told."""
        self.run("ip", "-batch", "-", stdin="\n".join(commands))

    def sysctl(self, name: str, value: int) -> None:
        """Set what is in a file below /proc/sys/net."""
        self.call(lambda: Path("/proc/sys/net", name).write_text(str(value)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


_PORTS = range(20_000, 32_768)
"""Those that Linux hands out to nobody who asks for any: a question by UDP may come from one of the others."""


class Reservation:
    """A port that no one else gets while this is held, and that a server can still have by UDP, and by TCP.

    Linux lets two TCP sockets have one port if both set SO_REUSEADDR and not both listen. What keeps others who reserve
    one away is a name, which like the port is the network's.
    """

    def __init__(self, addresses: tuple[str, ...], port: int = 0) -> None:
        while True:
            self._sockets: list[socket.socket] = []
            self.port = port or secrets.choice(_PORTS)
            try:
                if not port:
                    name = socket.socket(socket.AF_UNIX)
                    self._sockets.append(name)
                    name.bind(f"\0milter64's tests: port {self.port}")
                for address in addresses:
                    self._bind(address)
            except OSError as error:
                self.close()
                if error.errno != errno.EADDRINUSE or port:
                    raise  # else the next attempt is at another number
            else:
                return

    def _bind(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        held = socket.socket(family, socket.SOCK_STREAM)
        self._sockets.append(held)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        held.bind((address, self.port))
        with socket.socket(family, socket.SOCK_DGRAM) as free:  # a nameserver takes it for UDP too
            free.bind(held.getsockname())

    def close(self) -> None:
        """Let the port go."""
        for held in self._sockets:
            held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unshare() -> int:
    if _libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare: network namespaces need root")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _in_thread(function: Callable[[], _T]) -> _T:
    """Call `function` on a thread of its own: a namespace is a property of the thread, and ends with it."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(function).result()
