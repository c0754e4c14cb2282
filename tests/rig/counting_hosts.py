"""Hosts whose limits count together by a real server; where a test wants it, time stands until it is put forward."""

from collections.abc import Callable
from pathlib import Path
from traceback import format_exc

from milter64.limits.rate_table import RateTable
from milter64.limits.rates import Rates
from milter64.limits.settings import Settings
from milter64.sharing import counter_script
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Servers
from milter64.sharing.shared_counters import SharedCounters
from rig.envelopes import TRANSLATOR
from rig.sharing import Reached

_NOW = "redis.call('TIME')"
_BEGIN = 1_795_900_000.5


class Worker:
    """One that counts by its host's table, and with other hosts."""

    def __init__(
        self, settings: Settings, table: RateTable, state: HostState, servers: Servers, *, exact: bool = False
    ) -> None:
        self.faults: list[str] = []
        self._servers = servers
        self._shared = SharedCounters(
            table, servers, state, exact=exact, on_fault=lambda: self.faults.append(format_exc())
        )
        self.rates = Rates(settings, table, self._shared)
        self.tell = self._shared.tell

    @property
    def waiting(self) -> int:
        """For how many clients something is to be told."""
        return self._shared.waiting

    @property
    def lately(self) -> int:
        """How many takes were told lately."""
        return self._shared.lately

    def sessions(self, address: str, attempts: int = 1) -> int:
        """Return how many of so many sessions it lets through."""
        client = TRANSLATOR.client(address)
        return sum(self.rates.session(client) is None for _ in range(attempts))

    def recipients(self, address: str, attempts: int = 1) -> int:
        """Return how many of so many recipients it lets through."""
        client = TRANSLATOR.client(address)
        return sum(self.rates.recipient(client) is None for _ in range(attempts))

    def close(self) -> None:
        """Have it tell what is left, and end."""
        self._shared.close()
        self._servers.close()
        assert self.faults == []


class Host(Worker):
    """A host with one worker that shares at once, among so many `hosts`."""

    def __init__(
        self,
        socket: Path,
        settings: Settings,
        clock: Callable[[], float],
        *,
        exact: bool = False,
        hosts: int = 3,
    ) -> None:
        """`socket` is the server's."""
        self.table = RateTable(2**16, clock)
        self.servers = Reached(socket)
        self.state = sharing(hosts)
        super().__init__(settings, self.table, self.state, self.servers, exact=exact)

    @property
    def trips(self) -> int:
        """How often it has told or asked the server."""
        return len(self.servers.asked)


class Standing(HostState):
    """A host that may share for good, or not at all."""

    may = True

    @property
    def allowed(self) -> bool:
        """Whether it may."""
        return self.may


def sharing(hosts: int) -> Standing:
    """Return how a host stands that shares with others, whatever becomes of the worker that finds it out."""
    state = Standing()
    state.found(whole=True, hosts=hosts, lag=0.0)
    return state


class Time:
    """The time of hosts and server, which stands until it is put forward."""

    def __init__(self, servers: Reached) -> None:
        """Take a server that runs `standing_script`."""
        self._servers = servers
        self.passed = 0.0
        self.pass_by(0.0)

    def __call__(self) -> float:
        return 1_000_000.7 + self.passed

    def pass_by(self, seconds: float) -> None:
        """Put it forward."""
        self.passed += seconds
        self._servers.run("SET", "now", f"{_BEGIN + self.passed:.17g}")


def standing_script() -> str:
    """Return the script, with the time that a test says for the server's."""
    assert counter_script.SCRIPT.count(_NOW) == 1
    return counter_script.SCRIPT.replace(_NOW, "{redis.call('GET', 'now'), 0}")
