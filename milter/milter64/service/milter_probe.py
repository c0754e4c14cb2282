"""A milter session of our own, as far as its negotiation: whoever gets an answer here would be served.

The protocol is described in libmilter's mfdef.h: a packet is its length, a command and data.
"""

import socket
from contextlib import suppress
from struct import pack, unpack

from milter64.config.listen_address import Endpoint

_NEGOTIATE = b"O" + pack("!III", 6, 0x1FF, 0x1FFFFF)
"""SMFIC_OPTNEG: version 6 of the protocol, with all actions and steps that Postfix offers."""
_QUIT = pack("!I", 1) + b"Q"
_LONGEST = 65536
"""Octets of an answer."""


def begin(family: int, address: str | bytes | tuple[str, int], patience: float) -> socket.socket:
    """Connect, and ask to negotiate; the socket waits for `patience` seconds each time.

    Raises:
        OSError: nobody listens, or not in that time.
    """
    session = socket.socket(family)
    try:
        session.settimeout(patience)
        session.connect(address)
        session.sendall(pack("!I", len(_NEGOTIATE)) + _NEGOTIATE)
    except BaseException:
        session.close()
        raise
    return session


def finish(session: socket.socket) -> None:
    """Wait for the answer.

    Raises:
        OSError: there is none, or it is no milter's.
    """
    head = session.recv(5, socket.MSG_WAITALL)
    if len(head) < 5 or head[4:] != b"O":  # noqa: PLR2004  a length and a command
        raise ConnectionError("no milter answers")
    rest = unpack("!I", head[:4])[0] - 1
    while 0 < rest <= _LONGEST and (read := len(session.recv(rest))):
        rest -= read


def is_served(endpoint: Endpoint, patience: float) -> bool:
    """Return whether a milter answers at an endpoint of this host, within so many seconds or a little more."""
    address = endpoint.address
    if isinstance(address, tuple):
        address = endpoint.hosts[0], address[1]
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    else:
        family = socket.AF_UNIX
    try:
        with begin(family, address, patience) as session:
            finish(session)
            with suppress(OSError):
                session.sendall(_QUIT)
            return True
    except OSError:
        return False
