"""What libmilter listens on in a worker: the service's socket, or one of the worker's own in its place.

libmilter is handed one descriptor, and never told to stop or to listen elsewhere. The socket behind the descriptor is
exchanged under its eyes: at the end for one that nobody knows, and now and then, for a moment, for one that a visitor
of ours has come to first. If libmilter answers him, it answers others too; at the service's socket another worker might
have done it.

No list of sessions is kept. The kernel has it: the connections whose own address is the listening socket's. It holds
those that have not said a word yet, and no callback can forget one.
"""

import os
import select
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

from milter64.service import milter_probe

_MOMENT = 1.0
"""Seconds that a visitor may wait to be let in, until others may come in again too."""
_TICK = 0.02
"""Seconds between two looks whether he is in."""
_AGAIN = 0.5
"""Seconds until another visitor is sent where none could be, or the last one was shown out."""

_Name = tuple[int, str | int]


class Door:
    """A worker's listening socket, and whoever came in by it; for the worker's main thread."""

    def __init__(self, listener: socket.socket) -> None:
        """Let in nobody but who connects to `address`, until it is opened: libmilter is to start meanwhile."""
        self.is_open = False
        """Whether others may come in than our own visitors."""
        self._listener = listener
        self._name = _name(listener)
        self._service: socket.socket | None = listener.dup()
        self._own: socket.socket | None = _unknown()
        self.address = self._own.getsockname()
        os.dup2(self._own.fileno(), listener.fileno(), inheritable=False)
        self._visitor: socket.socket | None = None
        self._sent = 0.0
        self._expected = False

    def belong(self, libmilter: Thread) -> None:
        """Take note of the thread that accepts who comes in."""
        self._libmilter = libmilter

    def open(self) -> None:
        """Let everybody in."""
        self.is_open = True
        self._let_others_in()

    def shut(self) -> None:
        """Let no new session in, for ever."""
        self.is_open = False
        service, self._service = self._service, None
        self._dismiss()
        if service:
            service.close()
        with _unknown() as unknown:
            self._replace(unknown)

    @property
    def has_sessions(self) -> bool:
        """Whether a connection is open that came in by it."""
        return any(_came_in(int(descriptor.name), self._name) for descriptor in Path("/proc/self/fd").iterdir())

    # Whether libmilter serves

    def ask(self) -> None:
        """Have a visitor go in and see whether he is served; `answered` tells of it."""
        self._expected = True
        if not self._visitor:
            self._send()

    @property
    def wait(self) -> float | None:
        """The seconds after which to look again, whatever happens; None for any."""
        if not self._expected:
            return None
        return _TICK if self._own else _AGAIN

    @property
    def visitors(self) -> list[socket.socket]:
        """Whose words are to be waited for."""
        return [self._visitor] if self._visitor else []

    def answered(self) -> bool:
        """Return whether the one who was asked for has been served, once."""
        if not self._expected:
            return False
        if not self._visitor:
            self._send()
            return False
        if self._own and (time.monotonic() > self._sent + _MOMENT or not _readable(self._own)):
            self._let_others_in()
        if not _readable(self._visitor):
            return False
        served = False
        with suppress(OSError):
            milter_probe.finish(self._visitor)
            served = True
        self._dismiss()
        self._expected = not served
        return served

    def _send(self) -> None:
        """Send a visitor. He connects before libmilter knows of the socket, which has room for no other before him."""
        with suppress(OSError):  # no descriptor is to be had: another time
            self._own = _unknown(0)
            self._visitor = milter_probe.begin(socket.AF_UNIX, self._own.getsockname(), _MOMENT)
            self._sent = time.monotonic()
            self._replace(self._own)
            return
        self._dismiss()

    def _dismiss(self) -> None:
        if self._visitor:
            self._visitor.close()
            self._visitor = None
        self._let_others_in()

    def _let_others_in(self) -> None:
        if self._own:
            if self._service:
                self._replace(self._service)
            self._own.close()
            self._own = None

    def _replace(self, by: socket.socket) -> None:
        """Have libmilter listen at another socket, and at once: its poll(), up to five seconds long, is interrupted."""
        os.dup2(by.fileno(), self._listener.fileno(), inheritable=False)
        if self._libmilter.is_alive() and self._libmilter.ident:
            signal.pthread_kill(self._libmilter.ident, signal.SIGUSR2)


def _unknown(room: int = 128) -> socket.socket:
    """Return a listening socket with a name that the kernel makes up, unix(7), and room for so many and one."""
    unknown = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    unknown.bind("")
    unknown.listen(room)
    return unknown


def _readable(end: socket.socket) -> bool:
    waiting = select.poll()  # select() knows no descriptors above 1023
    waiting.register(end, select.POLLIN)
    return bool(waiting.poll(0))


def _name(end: socket.socket) -> _Name:
    """Return what a listening socket has in common with the connections that come in over it."""
    name = end.getsockname()
    return end.family, name if isinstance(name, str) else name[1]


def _came_in(descriptor: int, by: _Name) -> bool:
    try:
        end = socket.socket(fileno=descriptor)
    except OSError:  # no socket, or closed by now
        return False
    try:
        return end.type == socket.SOCK_STREAM and _name(end) == by
    except OSError:  # closed by now
        return False
    finally:
        end.detach()
