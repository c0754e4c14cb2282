"""The one door to the facts of this host: addresses, routes, sockets, the clock; looked at, and never changed.

All of it is one frozen value, so that tests make any host from tables. What the system doesn't tell is left out: a
program that fails, or a file that only root may read, is no error.
"""

import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milter64.address.networks import PRIVATE, pack, unpack
from milter64.dns.query import system_nameservers

IPV4, IPV6 = "IPv4", "IPv6"
SMTP_PORT = 25
_PATIENCE = 10.0
"""Seconds for each program: they ask the kernel alone."""
_FOLDERS = "/usr/sbin:/sbin:/usr/bin:/bin"
_FAR = {IPV4: (socket.AF_INET, "198.41.0.4"), IPV6: (socket.AF_INET6, "2001:503:ba3e::2:30")}
"""An address that only a default route leads to: a root server's. Nothing is sent to it."""
_TIME_ERROR = 5
_DOCKER_PROXY = re.compile(
    r"docker-proxy\0.*-host-ip\0(?P<host>[^\0]+)\0-host-port\0(?P<port>\d+)\0-container-ip\0(?P<container>[^\0]+)",
    re.DOTALL,
)


def family(address: str) -> str:
    """Return "IPv4" or "IPv6"."""
    return IPV6 if ":" in address else IPV4


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of an interface; `flags` as in ip-address(8): "temporary", "deprecated", "tentative", "dadfailed"."""

    address: str
    length: int
    interface: str
    scope: str = "global"
    flags: frozenset[str] = frozenset()

    @property
    def public(self) -> bool:
        """Whether the world may know it: neither loopback nor link-local nor of private use."""
        return self.scope == "global" and pack(self.address) not in PRIVATE

    @property
    def stays(self) -> bool:
        """Whether it is here tomorrow, and can be used today."""
        return self.flags.isdisjoint({"temporary", "deprecated", "tentative", "dadfailed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route of the main table; `destination` is a network or "default", `gateway` empty on the link itself."""

    family: str
    destination: str
    interface: str
    gateway: str = ""
    leads: bool = True
    """False for those that say that nothing is there: unreachable, blackhole, prohibit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A listening TCP socket: `address` is "*" for all of both families, "0.0.0.0" or "::" for all of one."""

    address: str
    port: int
    program: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A process of Docker's userland proxy, which takes connections to `host`:`port` to a container's address."""

    host: str
    port: int
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What the kernel says of its clock: seconds since the epoch, and whether something keeps it right."""

    now: float
    synchronised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host, as it is at one moment.

    `sources` has, by family, the address that the kernel sends from to the public Internet; none if there is no way.
    `peers` are the other ends of the connections to port 25 here, those that ended a moment ago too. `container` is the
    kind of container that this is, empty if it is none. `nameservers` are those of resolv.conf. `backlog` is how many
    connections may wait at a socket to be taken, 0 if that isn't known. `missing` are those programs that aren't there
    that tell the addresses, routes and sockets.
    """

    name: str = "localhost"
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    peers: tuple[str, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    bridges: tuple[str, ...] = ()
    container: str = ""
    nameservers: tuple[str, ...] = ("127.0.0.1",)
    backlog: int = 0
    missing: tuple[str, ...] = ()
    clock: Clock

    def address(self, text: str) -> Address | None:
        """Return the address of that text, if an interface has it."""
        return next((address for address in self.addresses if address.address == text), None)

    def default_route(self, family: str) -> Route | None:
        """Return a route that leads to all the world."""
        routes = (route for route in self.routes if route.family == family and route.leads)
        return next((route for route in routes if route.destination == "default"), None)


def read() -> Host:
    """Return this host as it is now, in the network namespace of the process."""
    return Host(
        name=os.uname().nodename,
        addresses=tuple(_addresses()),
        routes=tuple(_routes()),
        sources={name: found for name in _FAR if (found := _source(*_FAR[name]))},
        listeners=tuple(_listeners()),
        peers=tuple(_peers()),
        proxies=tuple(_proxies()),
        bridges=tuple(link["ifname"] for link in _ip("link", "show", "type", "bridge") if "ifname" in link),
        container=container_kind(),
        nameservers=tuple(map(str, system_nameservers())),
        backlog=_backlog(),
        missing=tuple(each for each in ("ip", "ss") if not _program(each)),
        clock=_clock(),
    )


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_FOLDERS)


def _output(program: str, *words: str) -> str:
    path = _program(program)
    with suppress(OSError, subprocess.TimeoutExpired):
        if path:
            command = [path, *words]
            return subprocess.run(  # noqa: S603  fixed words, and no shell reads them
                command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
            ).stdout
    return ""


def _ip(*words: str) -> list[dict[str, Any]]:
    with suppress(ValueError):
        return [entry for entry in json.loads(_output("ip", "-json", *words) or "[]") if entry]
    return []


def own_addresses() -> Iterator[str]:
    """Yield the addresses of this host's interfaces."""
    for each in _addresses():
        yield each.address


def _addresses() -> Iterator[Address]:
    for link in _ip("address", "show"):
        for entry in link.get("addr_info", ()):
            if "local" in entry:
                yield Address(
                    address=entry["local"],
                    length=entry["prefixlen"],
                    interface=link["ifname"],
                    scope=entry["scope"],
                    flags=frozenset(name for name, value in entry.items() if value is True),
                )


def _routes() -> Iterator[Route]:
    for name, option in ((IPV4, "-4"), (IPV6, "-6")):
        for entry in _ip(option, "route", "show"):
            hop = next(iter(entry.get("nexthops", ())), entry)
            yield Route(
                family=name,
                destination=entry["dst"],
                interface=hop.get("dev", ""),
                gateway=hop.get("gateway") or hop.get("via", {}).get("host", ""),
                leads=entry.get("type", "unicast") == "unicast",
            )


def _source(number: int, far: str) -> str:
    """Return what the kernel would send from: to connect a datagram socket sends nothing."""
    with suppress(OSError), socket.socket(number, socket.SOCK_DGRAM) as sock:
        sock.connect((far, 53))
        return str(sock.getsockname()[0])
    return ""


def _listeners() -> Iterator[Listener]:
    for line in _output("ss", "-H", "-l", "-t", "-n", "-p").splitlines():
        state, *_, local, _peer, users = [*line.split(maxsplit=5), ""][:6]
        if state == "LISTEN":
            address, port = _split(local)
            program = re.search(r'"([^"]*)"', users)
            yield Listener(address=address, port=port, program=program[1] if program else "")


def _peers() -> Iterator[str]:
    for line in _output("ss", "-H", "-a", "-t", "-n", "sport", "=", f":{SMTP_PORT}").splitlines():
        peer = line.split()[4]
        if not peer.endswith(":*"):  # else it listens, or is merely bound, which Debian 13's ss lists too
            packed = pack(_split(peer)[0])
            yield unpack(packed[12:] if packed.startswith(bytes(10) + b"\xff\xff") else packed)


def _split(text: str) -> tuple[str, int]:
    """Read ss's "[fe80::1]%eth0:25" and "127.0.0.53%lo:53"."""
    host, _, port = text.rpartition(":")
    return host.partition("%")[0].strip("[]"), int(port)


def _proxies() -> Iterator[Proxy]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if match := _DOCKER_PROXY.search(path.read_text(errors="replace")):
                yield Proxy(host=match["host"], port=int(match["port"]), container=match["container"])


def container_kind(root: Path = Path("/")) -> str:
    """Return what kind of container a root folder belongs to, as its engine has noted there; empty if none has."""
    for path, kind in ((".dockerenv", "docker"), ("run/.containerenv", "podman")):
        if (root / path).exists():
            return kind
    with suppress(OSError):
        return (root / "run/systemd/container").read_text().strip()
    return ""


def _backlog() -> int:
    with suppress(OSError, ValueError):
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    return 0


def _clock() -> Clock:
    buffer = (ctypes.c_long * 64)()  # more than any struct timex; all zero, it changes nothing (adjtimex(2))
    state = ctypes.CDLL(None).adjtimex(buffer)
    return Clock(now=time.time(), synchronised=0 <= state < _TIME_ERROR)
