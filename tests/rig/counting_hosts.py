"""Hosts that count together by a real server, whose time stands still until a test has it pass."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from redis import Redis, RedisError

from milter64.limits.rate_table import RateTable
from milter64.limits.rates import Rates, Settings
from milter64.sharing import counter_script
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Command, Reply, ServersGone, Shard
from milter64.sharing.shared_counters import SharedCounters
from rig.envelopes import TRANSLATOR

_TIME = "redis.call('TIME')"
_BEGIN = 1_795_900_000.5


class Direct:
    """`Servers` of one server, as long as it answers."""

    edition = 0

    def __init__(self, path: Path, *, together: bool = True) -> None:
        """`path` is the server's socket."""
        self.together = together
        self.asked = self.sent = 0
        self._client = Redis(unix_socket_path=str(path), socket_timeout=0.4)
        self._gone = False

    def ask(self, _key: str, commands: Sequence[Command]) -> list[Reply]:
        """Count that as asked."""
        self.asked += 1
        return self._answers(commands)

    def send(self, _key: str, commands: Sequence[Command]) -> Future[list[Reply]]:
        """Count that as sent."""
        self.sent += 1
        reply = Future[list[Reply]]()
        reply.set_result(self._answers(commands))
        return reply

    def shards(self) -> Sequence[Shard]:
        """Nobody needs that here."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _answers(self, commands: Sequence[Command]) -> list[Reply]:
        if self._gone:
            raise ServersGone("it has not answered")
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            self._gone = True
            raise ServersGone(str(error)) from error


class Host:
    """One that counts by itself and with others."""

    def __init__(
        self, path: Path, settings: Settings, clock: Callable[[], float] | None = None, *, exact: bool, hosts: int = 3
    ) -> None:
        """It shares with others through the server at `path` at once."""
        self._hosts = hosts
        self.table = RateTable(2**16, clock) if clock else RateTable(2**16)
        self.state = HostState()
        self.joined()
        self.servers = Direct(path)
        self.faults = 0
        self.shared = SharedCounters(self.table, self.servers, self.state, exact=exact, on_fault=self._fault)
        self.rates = Rates(settings, self.table, self.shared)

    def joined(self) -> None:
        """Have it share, for the next two seconds."""
        self.state.found(whole=True, offset=0.0, hosts=self._hosts, lag=0.0)

    def sessions(self, address: str, attempts: int = 1) -> int:
        """Return how many of so many sessions it lets through."""
        self.joined()
        client = TRANSLATOR.client(address)
        return sum(self.rates.session(client) is None for _ in range(attempts))

    def tell(self) -> None:
        """Have it tell the server what is due."""
        self.joined()
        self.shared.tell()

    def close(self) -> None:
        """Have it tell what is left, and end."""
        self.shared.close()
        self.servers.close()
        assert not self.faults

    def _fault(self) -> None:
        self.faults += 1


class Time:
    """The time of hosts and server, which stands until it is put forward."""

    def __init__(self, client: Redis) -> None:
        """Take a server that runs `standing_script`."""
        self._client = client
        self.passed = 0.0
        self.pass_by(0.0)

    def __call__(self) -> float:
        return 1_000_000.7 + self.passed

    def pass_by(self, seconds: float) -> None:
        """Put it forward."""
        self.passed += seconds
        self._client.set("now", f"{_BEGIN + self.passed:.17g}")


def standing_script() -> str:
    """Return the script, with the time that a test says for the server's."""
    assert counter_script.SCRIPT.count(_TIME) == 1
    return counter_script.SCRIPT.replace(_TIME, "{redis.call('GET', 'now'), 0}")
