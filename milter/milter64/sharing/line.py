"""A line to one server, spoken over through redis-py.

redis-py reads replies. It is left out of all that takes time: how it encodes takes three times as long as need be, and
how it connects, resolves, retries and waits differs from version to version, and none of them bounds it.
"""

import re
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis import VERSION
from redis.connection import Connection
from redis.exceptions import ResponseError

from milter64.mail.clean_text import clean
from milter64.sharing.interface import Command, Reply
from milter64.sharing.server_url import HIDDEN

EXCHANGE = 0.5
"""Seconds from the first octet of commands to the last of their replies."""

_PROTOCOLS = (5,)
"""The version of redis-py from which one has to be chosen."""
_CODES = {
    "AskError": "ASK",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}
"""What a server said first, by what redis-py makes of it."""
_FAULT = re.compile(r"(?:|ERR .*: -)(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOREPLICAS|OOM|READONLY)\b")
"""Of the server, not of a command; what a script of Redis 6 met is behind a dash."""

_REPEATED = re.compile("""['"`].*""")
"""What a server says again of a command that it doesn't know: its arguments, which may be a password."""


class LineBroken(Exception):  # noqa: N818  a state of the network, and no error of the program
    """A line is of no use any more, or none could be had; the text says why, and holds nothing that is secret."""


class Wire:
    """A connected socket on which all that is sent and received ends by one time, however little each bit brings."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._end = 0.0

    def within(self, seconds: float) -> None:
        """Let the next exchange take no longer."""
        self._end = time.monotonic() + seconds

    def recv(self, size: int) -> bytes:
        """Return what came."""
        self._bound()
        if octets := self._socket.recv(size):
            return octets
        raise LineBroken("it has closed the connection")

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Put what came into a buffer, and return how much it is."""
        self._bound()
        if size := self._socket.recv_into(buffer):
            return size
        raise LineBroken("it has closed the connection")

    def sendall(self, octets: bytes) -> None:
        """Send all of it."""
        view = memoryview(octets)
        while view:
            self._bound()
            try:
                sent = self._socket.send(view)
            except ssl.SSLError:
                self._socket.recv(1)  # raises what the server said before it went, as of a certificate that it misses
                raise
            view = view[sent:]

    def settimeout(self, seconds: float | None) -> None:
        """Take no notice of what redis-py thinks about time."""

    def shutdown(self, how: int) -> None:
        """Have a thread that waits for it go on. TLS is not told: its state isn't for two threads."""
        socket.socket.shutdown(self._socket, how)

    def close(self) -> None:
        """Let it go."""
        self._socket.close()

    def _bound(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        self._socket.settimeout(left)


class Line:
    """A line to a server; one thread speaks over it, and any may cut it."""

    def __init__(self, connected: socket.socket) -> None:
        """Speak over a socket; it is closed with the line."""
        self._wire = wire = Wire(connected)
        self._connection = _connection()
        self._connection._connect = lambda: wire  # noqa: SLF001  where all versions make a socket
        self._connection.redis_connect_func = _say_nothing
        self._connection.connect()

    def enter(self, user: str, password: str, db: int) -> None:
        """Say who we are where there is a password, and which database we mean.

        Raises:
            LineBroken: the server won't have us.
        """
        who = [("AUTH", user, password) if user else ("AUTH", password)] if password else []
        which = [("SELECT", db)] if db else []
        commands: Sequence[Command] = [*who, *which]
        for reply in self.exchange(pack(commands), len(commands)):
            if isinstance(reply, Exception):
                told = _REPEATED.sub("...", said(reply))
                raise LineBroken(told.replace(clean(password), HIDDEN) if password else told)

    def exchange(self, packed: bytes, count: int, seconds: float = EXCHANGE) -> list[Reply]:
        """Send `count` commands, and return as many replies; an exception is one that is about its command alone.

        Raises:
            LineBroken: there was none, it took longer, or one of them says that the server can't do anything now.
        """
        self._wire.within(seconds)
        try:
            self._wire.sendall(packed)
            return [self._reply() for _ in range(count)]
        except LineBroken:
            raise
        except Exception as error:  # noqa: BLE001  a parser that reads garbage fails in many ways
            raise LineBroken(said(error)) from None

    def cut(self) -> None:
        """Have whoever waits for a reply wait no longer."""
        with suppress(OSError):  # the other end was faster
            self._wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let it go."""
        self._connection.disconnect()
        self._wire.close()

    def _reply(self) -> Reply:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            if _FAULT.match(text := said(error)):
                raise LineBroken(text) from None
            return error


def pack(commands: Sequence[Command]) -> bytes:
    """Return commands as they are sent."""
    return b"".join(map(_packed, commands))


def _packed(command: Command) -> bytes:
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return b"".join([b"*%d\r\n" % len(words), *[b"$%d\r\n%b\r\n" % (len(word), word) for word in words]])


def said(error: Exception) -> str:
    """Return what went wrong, or what the server said, in a line."""
    if isinstance(error.__context__, OSError) and not isinstance(error, OSError):
        error = error.__context__  # redis-py puts its own default server's name around it
    text = str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"its certificate won't do: {error.verify_message}"
    elif isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        text = "no answer in time"
    elif isinstance(error, OSError):
        text = error.strerror or text
    code = _CODES.get(type(error).__name__, "")
    if not text.startswith(code):
        text = f"{code} {text}"
    return clean(text or type(error).__name__)


def _say_nothing(connection: Any) -> None:  # noqa: ANN401  its types differ by version
    """Stand in the place of what redis-py tells a server first."""
    connection._parser.on_connect(connection)  # noqa: SLF001  all that has to be done


def _connection() -> Any:  # noqa: ANN401  its types differ by version
    """Return what reads."""
    make: Any = Connection
    return make(protocol=2) if VERSION >= _PROTOCOLS else make()
