"""Two hosts, each in a network of its own, the servers that they share, and mail that flows over both."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Self

from rig.hosts import SharingHost
from rig.lab import Lab
from rig.network import HERE
from rig.process import until
from rig.sites import Sites
from rig.traffic import OLD, Traffic, Trouble, pair, remember, wrong
from rig.whole import all_alike

LASTS = 2.2
"""Seconds of a fault: a host that has heard nothing for two knows that it isn't whole."""
SLOWEST = 0.5
"""Seconds by which a fault may make a reply slower, ..."""
BUSY = 0.7
"""... and those for a machine that has much to do."""
WHOLE = 10.0
"""Seconds until all have the same again: they are to be two, and a busy machine may take longer."""
_SETTINGS = "[spf]\nenabled = false\n[iprev]\nenabled = false\n"
_LACKING = """
import sys
from milter64.cli.main import main
from milter64.sharing.host_state import HostState
HostState.whole = property(lambda state: False)
sys.exit(main())
"""


class Asking(SharingHost):
    """A host that never believes that it has all that the others know, and so asks the servers at each decision."""

    program = (sys.executable, "-c", _LACKING, "run", "--config")


class TwoHosts:
    """The hosts, and what has befallen them; mail flows from the beginning of the `with` block."""

    def __init__(
        self,
        lab: Lab,
        url: str,
        servers: Callable[[], Sequence[Path]],
        *,
        sites: Sites | None = None,
        kinds: Sequence[Callable[..., SharingHost]] = (SharingHost, Asking),
    ) -> None:
        """Start hosts that share over `url`, at sites of their own if there are such.

        `servers` gives the unix sockets of the servers that have all keys.
        """
        self._servers = servers
        self.hosts, self.addresses = list[SharingHost](), list[str]()
        sockets = list[Path]()
        for number, kind in enumerate(kinds):
            network, address = sites.new() if sites else (HERE, "")
            sockets.append(lab.folder / f"{number}.socket")
            store = lab.folder / f"{number}.sqlite"
            remember(store, OLD[number :: len(kinds)])
            self.hosts.append(lab.start(kind, url, _SETTINGS, network=network, unix=sockets[-1], store=store))
            self.addresses.append(address)
        self._traffic = Traffic(sockets)
        self._troubles = list[Trouble]()

    def __enter__(self) -> Self:
        until(self._alike, "both to share")
        self._traffic.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._traffic.end()

    def rest(self) -> None:
        """Hold all mail until the next fault, and wait until each host has written down what it has learned."""
        self._traffic.hold()
        for number, host in enumerate(self.hosts):
            until(partial(self._written, number, host), "all that was learned to be written")

    def _written(self, number: int, host: SharingHost) -> bool:
        return host.pairs >= {pair(each.sender) for each in self._traffic.attempts if each.host == number}

    def _alike(self) -> bool:
        return all_alike(self.hosts, self._servers())

    def endure(self, fault: AbstractContextManager[object], *, seconds: float = LASTS) -> None:
        """Have mail flow through a fault, see that no sender notices it, and print how it went."""
        traffic = self._traffic
        traffic.flow()
        time.sleep(0.5)
        first = len(traffic.attempts)
        trouble = Trouble(began=time.monotonic(), ended=float("inf"))
        self._troubles.append(trouble)
        with fault:
            time.sleep(seconds)
        ended = time.monotonic()
        traffic.hold()
        until(self._alike, "all to have the same rows", seconds=WHOLE)
        trouble.ended = time.monotonic()
        during = traffic.attempts[first:]
        worst = max(each.took for each in during)
        complaints = wrong(traffic.attempts, self._troubles)
        assert not complaints, complaints
        assert worst < SLOWEST + BUSY, worst
        went = f"{len(during)} sessions, the slowest {worst:.2f} s, whole after {trouble.ended - ended:.2f} s"
        print(f"{os.environ['PYTEST_CURRENT_TEST']}: {went}")  # noqa: T201  for `pytest -s`
