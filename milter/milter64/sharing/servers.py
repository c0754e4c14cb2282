"""The servers that a URL names, opened."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Final

from milter64.sharing.addresses import Addresses
from milter64.sharing.dialling import dial
from milter64.sharing.interface import Command, Reply, Servers, Shard
from milter64.sharing.keys import PROBE
from milter64.sharing.link import Link
from milter64.sharing.server_url import ServerUrl

Tell = Callable[[str], None]


def open_servers(url: ServerUrl, warn: Tell, told: Tell) -> Servers:
    """Return the servers that a URL names; they are connected behind.

    `warn` is told once when they are gone, and `told` once when they are back, from any thread.
    """
    return OneServer(url, warn, told)


class OneServer:
    """A server that the URL itself names."""

    together: Final = True

    def __init__(self, url: ServerUrl, warn: Tell, told: Tell) -> None:
        self._outage = Outage(url.shown, warn, told)
        host = url.hosts[0] if url.hosts else None
        self._link = Link(partial(dial, url, host, Addresses()), PROBE, self._outage)

    @property
    def edition(self) -> int:
        """As Servers has it."""
        return self._outage.edition

    def send(self, key: str, commands: Sequence[Command]) -> Future[list[Reply]]:  # noqa: ARG002  all keys are there
        """As Servers has it."""
        return self._link.send(commands)

    def ask(self, key: str, commands: Sequence[Command]) -> list[Reply]:  # noqa: ARG002
        """As Servers has it."""
        return self._link.ask(commands)

    def shards(self) -> Sequence[Shard]:
        """As Servers has it."""
        return [self._link.send]

    def close(self) -> None:
        """As Servers has it."""
        self._link.close()


class Outage:
    """Tells of an outage once, and once of its end; counts the lines that there have been."""

    def __init__(self, shown: str, warn: Tell, told: Tell) -> None:
        self._shown = shown
        self._warn = warn
        self._told = told
        self._lock = Lock()
        self._out = False
        self.edition = 0

    def up(self) -> None:
        """Count a new line."""
        with self._lock:
            out, self._out = self._out, False
            self.edition += 1
        if out:
            self._told(f"{self._shown} is back")

    def down(self, why: str) -> None:
        """Note that there is none."""
        with self._lock:
            out, self._out = self._out, True
        if not out:
            self._warn(f"{self._shown} is gone, and this host goes on alone: {why}")
