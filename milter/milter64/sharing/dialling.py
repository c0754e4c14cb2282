"""A line to one server: dialled by a URL's parts, and spoken over through redis-py.

redis-py encodes commands and reads replies. It is left out of all that takes time: how it connects, resolves, retries
and waits differs from version to version, and none of them bounds it.
"""

import re
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any

from redis import VERSION
from redis.connection import Connection
from redis.exceptions import ResponseError

from milter64.mail.clean_text import clean
from milter64.sharing.addresses import Addresses
from milter64.sharing.interface import Command, Reply
from milter64.sharing.server_url import Host, ServerUrl

CONNECT = 0.4
"""Seconds for a connection, and as many for the TLS on it."""
EXCHANGE = 0.5
"""Seconds from the first octet of commands to the last of their replies."""

_PROTOCOLS = (5,)
_CODES = {
    "AskError": "ASK",
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}
"""What a server said before what is left of it in an exception of redis-py's."""
_FAULT = re.compile(
    rf"(?:|.* -)(?:{'|'.join(_CODES.values())}|BUSY|MISCONF|NOREPLICAS|UNBLOCKED)\b",  # a script's stand behind a dash
    re.DOTALL,
)


class LineBroken(Exception):  # noqa: N818  a state of the network, and no error of the program
    """A line is of no use any more, or none could be had; the text says why. It holds nothing that is secret."""


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
        return self._bounded().recv(size)

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """Put what came into a buffer, and return how much it is."""
        return self._bounded().recv_into(buffer)

    def sendall(self, octets: bytes) -> None:
        """Send all of it."""
        view = memoryview(octets)
        while view:
            view = view[self._bounded().send(view) :]

    def settimeout(self, seconds: float | None) -> None:
        """Take no notice of what redis-py thinks about time."""

    def shutdown(self, how: int) -> None:
        """Have each thread that waits for it go on; TLS is not told, whose state isn't for two threads."""
        socket.socket.shutdown(self._socket, how)

    def close(self) -> None:
        """Let it go."""
        self._socket.close()

    def _bounded(self) -> socket.socket:
        left = self._end - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._socket


class Line:
    """An open line to a server; one thread speaks over it, and any may cut it."""

    def __init__(self, url: ServerUrl, wire: Wire) -> None:
        """Prepare to speak over a wire: nothing is sent yet."""
        self._wire = wire
        self._connection = _connection()
        self._connection._connect = lambda: wire  # noqa: SLF001  the one place where it makes a socket, in all versions
        self._connection.redis_connect_func = _say_nothing
        self._connection.connect()
        self._user, self._db = url.user, url.db

    def enter(self, password: str) -> None:
        """Say who we are, and which database we mean.

        Raises:
            LineBroken: the server won't have us.
        """
        who = [("AUTH", *([self._user] if self._user else []), password)] if password else []
        which = [("SELECT", self._db)] if self._db else []
        if commands := [*who, *which]:
            for reply in self.exchange(pack(commands), len(commands)):
                if isinstance(reply, Exception):
                    raise LineBroken(said(reply))

    def exchange(self, packed: bytes, count: int) -> list[Reply]:
        """Send `count` commands, and return as many replies; an exception is one that is about its command alone.

        Raises:
            LineBroken: there was none, it took too long, or one of them says that the server can't do anything now.
        """
        self._wire.within(EXCHANGE)
        try:
            self._wire.sendall(packed)
            return [self._reply() for _ in range(count)]
        except LineBroken:
            raise
        except Exception as error:  # noqa: BLE001  a parser that reads garbage fails in many ways
            raise LineBroken(said(error)) from None

    def cut(self) -> None:
        """Have whoever waits for a reply wait no longer."""
        try:
            self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end was faster

    def close(self) -> None:
        """Let it go."""
        self._connection.disconnect()
        self._wire.close()

    def _reply(self) -> Reply:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            if _FAULT.match(said(error)):
                raise LineBroken(said(error)) from None
            return error


def dial(url: ServerUrl, host: Host | None, addresses: Addresses) -> Line:
    """Return a line to `host`, or to the socket that the URL names; the server knows us by then.

    Raises:
        LineBroken: it can't be had.
    """
    wire = None
    try:
        password = url.password()
        wire = Wire(_socket(url, host, addresses))
        line = Line(url, wire)
        line.enter(password)
    except BaseException as error:
        if wire:
            wire.close()
        if isinstance(error, LineBroken) or not isinstance(error, Exception):
            raise
        raise LineBroken(said(error)) from None
    return line


def pack(commands: Sequence[Command]) -> bytes:
    """Return commands as they are sent.

    Raises:
        redis.exceptions.DataError: an argument is neither text, octets nor a number.
    """
    return b"".join(_PACKER.pack_commands(commands))


def said(error: Exception) -> str:
    """Return what went wrong in a line."""
    code = _CODES.get(type(error).__name__, "")
    text = str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"its certificate: {error.verify_message}"
    elif isinstance(error, TimeoutError) or type(error).__name__ == "TimeoutError":
        text = "no answer in time"
    elif isinstance(error, OSError):
        text = error.strerror or text
    if code and not text.startswith(code):
        text = f"{code} {text}"
    return clean(text or type(error).__name__)


def _socket(url: ServerUrl, host: Host | None, addresses: Addresses) -> socket.socket:
    if not host:
        local = socket.socket(socket.AF_UNIX)
        try:
            local.settimeout(CONNECT)
            local.connect(str(url.path))
        except BaseException:
            local.close()
            raise
        return local
    connected = addresses.connect(host, CONNECT)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(CONNECT)
        return _tls(url).wrap_socket(connected, server_hostname=host[0]) if url.tls else connected
    except BaseException:
        connected.close()
        raise


def _tls(url: ServerUrl) -> ssl.SSLContext:
    """Return what TLS goes by, of the files as they are now."""
    context = ssl.create_default_context(cafile=url.ca)
    if url.cert:
        context.load_cert_chain(url.cert, url.key)
    return context


def _say_nothing(connection: Any) -> None:  # noqa: ANN401  its types differ by version
    """Stand in the place of what redis-py tells a server first."""
    connection._parser.on_connect(connection)  # noqa: SLF001  all that has to be done


def _connection() -> Any:  # noqa: ANN401  its types differ by version
    """Return what encodes and reads; versions before 5 know one protocol alone."""
    protocol = {"protocol": 2} if VERSION >= _PROTOCOLS else {}
    make: Any = Connection
    return make(**protocol)


_PACKER = _connection()
