"""A real NAT64/SIIT path: an IPv4 client, a translator (tayga) and an IPv6-only mail server, in three namespaces.

    client 192.31.196.10 ...  --  router, with tayga  --  server 3fff:25::25

The client calls 198.51.100.25, which stands for the server (RFC 7757, as in SIIT-DC); the server sees the client's IPv4
address behind the translation prefix (RFC 6052).
"""

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rig.network import Namespace
from rig.process import Process
from rig.server import Server

SERVER_IPV4 = "198.51.100.25"
"""Where IPv4 clients reach the server."""
SERVER_IPV6 = "3fff:25::25"
"""The server's own address."""
CLIENT_IPV6 = "3fff:4::10"
"""The address of a client with both families."""
CLIENTS_IPV4 = ("192.31.196.10", "192.31.196.11", "203.0.113.10", "100.64.0.10")
"""The client's addresses; 64:ff9b::/96 may carry the first two alone (RFC 6052 3.1)."""
_TUN = Path("/dev/net/tun")


class Nat64(Server):
    """The path. `client`, `router` and `server` are its namespaces."""

    def __init__(
        self, folder: Path, prefix: str, *, dual_stack: bool = False, addresses: Sequence[str] = CLIENTS_IPV4
    ) -> None:
        """Translate with `prefix`, of one of RFC 6052's six lengths, for a client at `addresses`.

        With `dual_stack` the client has `CLIENT_IPV6` too, and reaches `SERVER_IPV6` without the translator.
        """
        super().__init__(folder)
        self._prefix = prefix
        self._dual_stack = dual_stack
        self._addresses = addresses

    def _start(self, stack: ExitStack) -> Process:
        self.client, self.router, self.server = (stack.enter_context(Namespace()) for _ in range(3))
        self._network = self.router
        self._lay_cables()
        self._address()
        return self._translate(stack)

    def _lay_cables(self) -> None:
        for namespace in (self.client, self.router, self.server):
            # A router can't ask for its neighbour while duplicate detection holds its own address back, for a second.
            namespace.sysctl("ipv6/conf/default/accept_dad", 0)
        self.router.sysctl("ipv4/ip_forward", 1)
        self.router.sysctl("ipv6/conf/all/forwarding", 1)
        self.router.ip(
            f"link add client type veth peer name eth0 netns {self.client.path}",
            f"link add server type veth peer name eth0 netns {self.server.path}",
            "tuntap add dev nat64 mode tun",
            *(f"link set {interface} up" for interface in ("client", "server", "nat64")),
        )

    def _address(self) -> None:
        self.router.ip(
            "addr add 192.0.0.1/32 dev client",
            *(f"route add {address}/32 dev client" for address in self._addresses),
            "addr add 3fff:4::1/64 dev client nodad",
            "addr add 3fff:25::1/64 dev server nodad",
            "route add 198.51.100.0/24 dev nat64",
            f"route add {self._prefix} dev nat64",
        )
        self.client.ip(
            "link set eth0 up",
            *(f"addr add {address}/32 dev eth0" for address in self._addresses),
            "route add 192.0.0.1/32 dev eth0",
            "route add default via 192.0.0.1",
        )
        if self._dual_stack:
            self.client.ip(f"addr add {CLIENT_IPV6}/64 dev eth0 nodad", "route add default via 3fff:4::1")
        self.server.ip(
            "link set eth0 up",
            f"addr add {SERVER_IPV6}/64 dev eth0 nodad",
            "route add default via 3fff:25::1",
        )

    def _translate(self, stack: ExitStack) -> Process:
        if not _TUN.exists():
            _TUN.parent.mkdir(exist_ok=True)
            os.mknod(_TUN, stat.S_IFCHR | 0o666, os.makedev(10, 200))
        configuration = self._folder / "tayga.conf"
        configuration.write_text(
            "tun-device nat64\n"
            "ipv4-addr 198.51.100.1\n"
            "ipv6-addr 3fff:64::1\n"
            f"prefix {self._prefix}\n"
            f"map {SERVER_IPV4} {SERVER_IPV6}\n"
        )
        # tayga says where it is in stdio's own time, which is late on a pipe.
        process = self._run(stack, "stdbuf", "-oL", "tayga", "-c", str(configuration), "-d", "--nodetach")
        process.expect("NAT64 prefix")
        return process
