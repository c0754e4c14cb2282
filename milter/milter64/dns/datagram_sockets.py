"""Datagram sockets to nameservers, each connected to one of them and for one question at a time.

A connected socket has the kernel drop what comes from elsewhere, and report a closed port at once. A stranger who would
answer in a nameserver's place has to guess the port, too, so each question has another (RFC 5452 9.2). That matters not
where the nameserver is on this host: nothing gets in from a loopback address, and a socket serves for one question
after the other, which spares half of the calls.
"""

import socket
from itertools import chain

from milter64.dns.nameserver import Nameserver

_MOST_IDLE = 64
"""For each nameserver: twice as many as verdicts may wait for DNS."""


class DatagramSockets:
    """Sockets that wait for the next question; thread-safe."""

    def __init__(self) -> None:
        self._idle: dict[Nameserver, list[socket.socket]] = {}

    def __del__(self) -> None:
        """Close them all: nobody can take one any more."""
        for sock in chain.from_iterable(self._idle.values()):
            sock.close()

    def take(self, server: Nameserver) -> socket.socket:
        """Return a connected socket that doesn't block; it is the taker's until it is given back, or closed.

        Raises:
            OSError: there can be none.
        """
        try:
            return self._idle[server].pop()
        except LookupError:
            return connected(server)

    def give_back(self, server: Nameserver, sock: socket.socket, *, answered: bool) -> None:
        """Take back a socket; what its question was not `answered` by may still come, and so it is not used again."""
        if answered and server.on_this_host and len(idle := self._idle.setdefault(server, [])) < _MOST_IDLE:
            idle.append(sock)
        else:
            sock.close()


def connected(server: Nameserver) -> socket.socket:
    """Return a new socket that doesn't block, and talks to a nameserver alone.

    Raises:
        OSError: there can be none.
    """
    sock = socket.socket(server.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(server.address)
    except OSError:
        sock.close()
        raise
    return sock
