"""A nameserver as people write it."""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass

from milter64.address.networks import pack

_LARGEST_PORT = 65535
_NAMESERVER = re.compile(
    r"(?:\[(?P<v6>.*:.*)]|(?P<v4>[\d.]+))(?::(?P<port>\d{1,5}))?|(?P<bare>[^\[\]]+)",
    re.ASCII,
)
_LOOPBACK_IPV4, _LOOPBACK_IPV6 = 127, b"\0" * 15 + b"\1"
_NO_LOOKUP = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameserver:
    """A nameserver: its text as configured, its socket address, and whether that is a loopback one."""

    text: str
    family: int
    address: tuple[str | int | bytes, ...]
    on_this_host: bool

    def __str__(self) -> str:
        return self.text


def nameserver(text: str) -> Nameserver:
    """Read "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353" or "fe80::1%eth0".

    Raises:
        ValueError: it is none of these.
    """
    parts = _NAMESERVER.fullmatch(text)
    with suppress(ValueError, OSError):
        if parts and 0 < (port := int(parts["port"] or 53)) <= _LARGEST_PORT:
            host = parts["v6"] or parts["v4"] or parts["bare"]
            packed = pack(host.partition("%")[0])  # getaddrinfo reads 010.1.1.1 as 8.1.1.1
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=_NO_LOOKUP)
            on_this_host = packed == _LOOPBACK_IPV6 or (len(packed) == 4 and packed[0] == _LOOPBACK_IPV4)  # noqa: PLR2004  an IPv4 address's length
            return Nameserver(text=text, family=found[0][0], address=found[0][4], on_this_host=on_this_host)
    raise ValueError(f"{text!r} is not a nameserver such as 127.0.0.1, [::1]:5353 or 192.0.2.53:53")
