"""Questions to one nameserver, over UDP or TCP.

What arrives and is no answer (garbage, a wrong id, a wrong question) is as good as nothing: a stranger who guesses must
not be able to end the wait for the real answer.
"""

import os
import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from milter64.dns.datagram_sockets import DatagramSockets
from milter64.dns.message import Query, Response
from milter64.dns.nameserver import Nameserver, nameserver
from milter64.dns.side_by_side import Course, Wait, alone

_LARGEST_DATAGRAM = 65535
_RESOLV_CONF = Path("/etc/resolv.conf")
_ID_OCTETS = 2
"""A query's id, which nobody must be able to guess."""


def nameservers(texts: Iterable[str]) -> tuple[Nameserver, ...]:
    """Return the nameservers that `nameserver` reads; those of the system if there are none.

    Raises:
        ValueError: one of them can't be read.
    """
    return tuple(map(nameserver, texts)) or system_nameservers()


def system_nameservers(path: Path = _RESOLV_CONF) -> tuple[Nameserver, ...]:
    """Return the nameservers of resolv.conf(5): 127.0.0.1 if it names none or can't be read."""
    return tuple(_listed(path)) or (nameserver("127.0.0.1"),)


def _listed(path: Path) -> Iterator[Nameserver]:
    with suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                with suppress(ValueError):
                    yield nameserver(words[1])


def by_datagram(
    query: Query, server: Nameserver, end: float, sockets: DatagramSockets, *, edns: bool = True
) -> Course[Response]:
    """Return the response to a query over UDP, through one of the `sockets`.

    Raises:
        TimeoutError: none came before `end`, a time.monotonic() value.
        OSError: the server can't be reached.
    """
    ident = os.urandom(_ID_OCTETS)
    sock, response = sockets.take(server), None
    try:
        sock.send(query.message(ident, edns=edns))
        while not response and (yield Wait(sock.fileno(), select.POLLIN, end)):
            with suppress(BlockingIOError):  # the datagram's checksum was wrong
                response = query.read(ident, sock.recv(_LARGEST_DATAGRAM))
    finally:
        sockets.give_back(server, sock, answered=bool(response))
    if not response:
        raise TimeoutError
    return response


def by_stream(query: Query, server: Nameserver, end: float, *, edns: bool = True) -> Course[Response]:
    """Return the response to a query over TCP.

    Raises:
        TimeoutError: no whole response came before `end`, a time.monotonic() value.
        OSError: the server can't be reached, broke off, or sent something else.
    """
    ident = os.urandom(_ID_OCTETS)
    with socket.socket(server.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        with suppress(BlockingIOError):
            sock.connect(server.address)
        if not (yield Wait(sock.fileno(), select.POLLOUT, end)):
            raise TimeoutError
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        wire = query.message(ident, edns=edns)
        sock.sendall(len(wire).to_bytes(2) + wire)
        length = int.from_bytes((yield from _exactly(2, sock, end)))
        response = query.read(ident, (yield from _exactly(length, sock, end)))
    if response is None or response.truncated:
        raise ConnectionError("garbage")
    return response


def _exactly(length: int, sock: socket.socket, end: float) -> Course[bytes]:
    octets = bytearray()
    while len(octets) < length:
        if not (yield Wait(sock.fileno(), select.POLLIN, end)):
            raise TimeoutError
        if not (part := sock.recv(length - len(octets))):
            raise ConnectionError("broken off")
        octets += part
    return bytes(octets)


def over_udp(query: Query, server: Nameserver, seconds: float, *, edns: bool = True) -> Response:
    """Wait for what `by_datagram` returns or raises, so many seconds at most."""
    return alone(by_datagram(query, server, time.monotonic() + seconds, DatagramSockets(), edns=edns))


def over_tcp(query: Query, server: Nameserver, seconds: float, *, edns: bool = True) -> Response:
    """Wait for what `by_stream` returns or raises, so many seconds at most."""
    return alone(by_stream(query, server, time.monotonic() + seconds, edns=edns))
