"""Sites far from each other, each in a network of its own, with a router between them that can part them."""

from contextlib import ExitStack
from typing import Self

from rig.network import Namespace


class Sites:
    """The router; a context manager. `join` gives a network a way to all others that have one."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._router = self._stack.enter_context(Namespace())
        self._router.sysctl("ipv4/ip_forward", 1)
        self._joined = 0

    def new(self) -> tuple[Namespace, str]:
        """Return a new network that has joined, and its address."""
        network = self._stack.enter_context(Namespace())
        return network, self.join(network)

    def join(self, network: Namespace) -> str:
        """Return the address that a network gets, by which the others reach it."""
        self._joined += 1
        name, net = f"site{self._joined}", f"10.64.{self._joined}"
        self._router.ip(
            f"link add {name} type veth peer name sites netns {network.path}",
            f"addr add {net}.1/24 dev {name}",
            f"link set {name} up",
        )
        network.ip(f"addr add {net}.2/24 dev sites", "link set sites up", f"route add 10.64.0.0/16 via {net}.1")
        return f"{net}.2"

    def part(self, address: str) -> None:
        """Let nothing through from an address or to it, without a word."""
        self._router.ip(f"rule add from {address} blackhole", f"rule add to {address} blackhole")

    def heal(self, address: str) -> None:
        """Let all through again."""
        self._router.ip(f"rule del from {address} blackhole", f"rule del to {address} blackhole")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
