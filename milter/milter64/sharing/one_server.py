"""A server that has all keys."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from milter64.sharing.interface import Command, Reply, ServersGone, Shard
from milter64.sharing.keys import PROBE
from milter64.sharing.line import Line
from milter64.sharing.link import Link
from milter64.sharing.outage import OneOfThem, Outage


class OneServer:
    """The Servers of a URL that means one."""

    together: Final = True

    def __init__(self, dial: Callable[[], Line], outage: Outage, elsewhere: Callable[[], None] = lambda: None) -> None:
        """Dial behind; `elsewhere` is called each time that the line breaks or can't be had."""
        self._outage = outage
        self.link = Link(dial, PROBE, OneOfThem(outage, elsewhere=elsewhere))

    @property
    def edition(self) -> int:
        """As Servers has it."""
        return self._outage.edition

    def send(self, key: str, commands: Sequence[Command]) -> Future[list[Reply]]:  # noqa: ARG002  it has all
        """As Servers has it."""
        return self.link.send(commands)

    def ask(self, key: str, commands: Sequence[Command]) -> list[Reply]:  # noqa: ARG002
        """As Servers has it."""
        return self.link.ask(commands)

    def shards(self) -> Sequence[Shard]:
        """As Servers has it."""
        if not self.link.works:
            raise ServersGone("no connection")
        return [self.link.send]

    def close(self) -> None:
        """As Servers has it."""
        self.link.close()
