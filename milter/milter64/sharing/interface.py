"""The servers as the rest of this wing sees them: commands go out by the key that they are about, replies come back."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

Command = Sequence[str | bytes | int | float]
"""A command and its arguments, such as ("HGET", "milter64:1:x", "net:192.0.2.0/24")."""
Reply = Any
"""What the server answers: bytes, int, list or None; an exception of redis-py's where it refuses that one command."""

ASK = 0.4
"""Seconds that a decision waits for a reply, at most."""


class ServersGone(Exception):  # noqa: N818  a state that passes, and no error of the program
    """The servers can't be asked now; the text says why. They are tried again behind, each second."""


Shard = Callable[[Sequence[Command]], Future[list[Reply]]]
"""Sends commands to one server, as `Servers.send` does."""


class Servers(Protocol):
    """The servers that a URL names. Every thread may call everything; nothing here connects, resolves or blocks."""

    @property
    def together(self) -> bool:
        """Whether all keys are on one server, so that one script may use several of them."""

    @property
    def edition(self) -> int:
        """A number that is another one after each new connection to a server that may have lost what it was told."""

    def send(self, key: str, commands: Sequence[Command]) -> Future[list[Reply]]:
        """Send commands, all about `key` or keys of the same slot, in one round trip.

        The future fails with ServersGone where they may not have got there, or the reply is late.

        Raises:
            ServersGone: there is no connection that works.
        """

    def ask(self, key: str, commands: Sequence[Command]) -> list[Reply]:
        """Send commands for a decision, and wait for the replies, for `ASK` seconds at most.

        Raises:
            ServersGone: there is no connection that works, or one is slow now; nothing was waited for. Or it has become
                so: that is found out once.
        """

    def shards(self) -> Sequence[Shard]:
        """Return a way to each server that has keys of its own, for what is about no key, such as SCAN or DBSIZE.

        Raises:
            ServersGone: one of them has no connection that works.
        """

    def close(self) -> None:
        """Let go of the connections."""
