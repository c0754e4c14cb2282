"""Router advertisements (RFC 4861 4.2) with PREF64 options (RFC 8781 4), as routers write them."""

import socket
import struct
import sys

from rig.network import Namespace

CODES = {96: 0, 64: 1, 56: 2, 48: 3, 40: 4, 32: 5}
_SOLICITATION = 133
_LINK_LAYER_ADDRESS = bytes([1, 1, 2, 0, 0, 0, 0, 1])


def pref64(prefix: bytes, length: int, lifetime: int) -> bytes:
    """Return a PREF64 option for a prefix, as 16 bytes, and a lifetime that 8 divides."""
    return struct.pack("!BBH", 38, 2, lifetime | CODES[length]) + prefix[:12]


def advertisement(*options: bytes, code: int = 0) -> bytes:
    """Return an ICMPv6 message, whose checksum is left to the kernel; one option is of another type."""
    return struct.pack("!BBHBBHII", 134, code, 0, 64, 0, 1800, 0, 0) + _LINK_LAYER_ADDRESS + b"".join(options)


def advertise(namespace: Namespace, interface: str, message: bytes, *, hops: int = 255, source: str = "::") -> None:
    """Send a message to all nodes of a link, from an address that the kernel chooses, or from `source`."""

    def send() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
            raw.bind((source, 0))
            raw.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex(interface)))

    namespace.call(send)


def await_solicitation(raw: socket.socket) -> int:
    """Wait for a router solicitation (RFC 4861 4.1) and return its hop limit."""
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    while True:
        message, [(_, _, hops)], _, _ = raw.recvmsg(2048, socket.CMSG_SPACE(4))
        if message[0] == _SOLICITATION:
            return int.from_bytes(hops, sys.byteorder)
