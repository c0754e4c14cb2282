"""The public addresses that a gateway of this host may speak from: the next hops of default routes, and its own.

A proxy on this host speaks from the host's own address, and a router that hides clients from the one it has here.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc/self/net")
"""Not /proc/net, which a sandbox hides that shows processes alone (systemd's `ProcSubset=pid`)."""
_GATEWAY, _LOCAL = 0x2, 0x80000000
"""RTF_GATEWAY and RTF_LOCAL of Linux's route flags."""
_OWN_IPV4 = re.compile(r"\|-- ([\d.]+)\n\s+/32 host LOCAL")


def gateways(proc: Path = _PROC) -> frozenset[bytes]:
    """Return them as 4 or 16 bytes; a file of /proc that can't be read has none."""
    return frozenset((*_ipv4(_text(proc / "route")), *_own_ipv4(_text(proc / "fib_trie")), *_ipv6(proc)))


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text()
    return ""


def _ipv4(route: str) -> Iterator[bytes]:
    for line in route.splitlines()[1:]:
        _, destination, hop, flags, *_, mask = line.split()[:8]
        if int(destination, 16) == int(mask, 16) == 0 and int(flags, 16) & _GATEWAY:
            yield int(hop, 16).to_bytes(4, sys.byteorder)


def _own_ipv4(fib_trie: str) -> Iterator[bytes]:
    return (bytes(map(int, address.split("."))) for address in _OWN_IPV4.findall(fib_trie))


def _ipv6(proc: Path) -> Iterator[bytes]:
    for line in _text(proc / "ipv6_route").splitlines():
        destination, length, _, _, hop, _, _, _, flags, *_ = line.split()
        if int(flags, 16) & _LOCAL:
            yield bytes.fromhex(destination)
        elif int(length, 16) == 0 and int(flags, 16) & _GATEWAY:
            yield bytes.fromhex(hop)
