"""Hears router advertisements, as root, and solicits them as any host does that comes up (RFC 4861 6.3.7)."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from milter64.discover.pref64_option import Pref64, read

_SOLICITATION = struct.pack("!BBHI", 133, 0, 0, 0)
"""RFC 4861 4.1; the kernel fills in the checksum."""
_ALL_ROUTERS = "ff02::2"
_HOPS = 255
"""What was not forwarded by anyone has this hop limit (RFC 4861 6.1.2)."""
_LARGEST = 65535
_LINK_LOCAL = ("fe8", "fe9", "fea", "feb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertisement:
    """A router's advertisement: the router's address, the interface that it came in on, and its PREF64 options."""

    router: str
    interface: str
    prefixes: tuple[Pref64, ...]


def listen(seconds: float) -> list[Advertisement]:
    """Return the valid advertisements that come in within `seconds`, the latest of each router.

    Raises:
        OSError: it is not allowed (PermissionError), or there is no IPv6.
    """
    end = time.monotonic() + seconds
    heard: dict[tuple[str, str], Advertisement] = {}
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
        for index, _ in socket.if_nameindex():
            with suppress(OSError):  # it is down, or has no IPv6
                raw.sendto(_SOLICITATION, (_ALL_ROUTERS, 0, 0, index))
        for advertisement in _until(end, raw):
            heard[advertisement.router, advertisement.interface] = advertisement
    return list(heard.values())


def _until(end: float, raw: socket.socket) -> Iterator[Advertisement]:
    while (left := end - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            message, ancillary, _, sender = raw.recvmsg(_LARGEST, socket.CMSG_SPACE(4))
        except TimeoutError:
            return
        hops = [struct.unpack("=i", data)[0] for _, kind, data in ancillary if kind == socket.IPV6_HOPLIMIT]
        router = sender[0].partition("%")[0]
        prefixes = read(message)
        if hops == [_HOPS] and router.startswith(_LINK_LOCAL) and prefixes is not None:
            yield Advertisement(router=router, interface=_interface(sender[3]), prefixes=tuple(prefixes))


def _interface(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:  # gone by now
        return str(index)
