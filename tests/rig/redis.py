"""Real Redis servers: one, some that Sentinels watch, and a Cluster."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from rig.network import HERE, Network
from rig.process import Process, alive, until
from rig.server import Server

_AT_ONCE = "repl-diskless-sync-delay 0"
"""Or a replica waits five seconds for more of its kind."""


class Redis(Server):
    """A redis-server, on a unix socket and, on loopback or another address of its network, by TCP."""

    def __init__(
        self,
        folder: Path,
        *settings: str,
        network: Network = HERE,
        address: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        program: str = "redis-server",
    ) -> None:
        """`settings` are lines of redis.conf; nothing is written to the disk unless they say so."""
        super().__init__(folder, network=network)
        self._settings = settings
        self._tls = tls
        self.address, self.port = address, port
        self._program = program

    @property
    def path(self) -> Path:
        """Its unix socket."""
        return self._folder / "socket"

    @property
    def url(self) -> str:
        """The server as milter64 names it, by TCP."""
        return f"redis://{self.address}:{self.port}"

    @property
    def local(self) -> str:
        """The server as milter64 names it, by its unix socket."""
        return f"unix://{self.path}"

    @property
    def alive(self) -> bool:
        """Whether it runs, even if it is stopped."""
        return alive(self.pid)

    def add_setting(self, line: str) -> None:
        """Have one more line of redis.conf from the next start on."""
        self._settings = (*self._settings, line)

    @property
    def dump(self) -> Path:
        """What is on the disk after a SAVE."""
        return self._folder / "dump.rdb"

    @property
    def version(self) -> str:
        """What it is, such as "redis-server 7.0.15"."""
        told = dict(line.partition(":")[::2] for line in self.ask("INFO", "server").splitlines())
        if "valkey_version" in told:
            return f"valkey-server {told['valkey_version']}"
        return f"redis-server {told['redis_version']}"

    @property
    def cpu_seconds(self) -> float:
        """What it has used so far, more exactly than the kernel's files tell."""
        told = dict(line.partition(":")[::2] for line in self.ask("INFO", "cpu").splitlines())
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])

    def ask(self, *words: str) -> str:
        """Return what it answers to a command, as redis-cli shows it."""
        return self._network.run("redis-cli", "-s", str(self.path), *words).strip()

    def stop(self) -> None:
        """Have it answer no more, without it being gone."""
        self._process.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it answer again."""
        self._process.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again, on the same port and with what is on the disk."""
        self._process = self._started(self._stack)

    def _lines(self) -> Sequence[str]:
        return (f"unixsocket {self.path}", 'save ""', *self._settings)

    def _start(self, stack: ExitStack) -> Process:
        if not self.port:
            self.port = stack.enter_context(self._network.reserve(self.address)).port
        ports = (f"tls-port {self.port}", "port 0") if self._tls else (f"port {self.port}",)
        lines = [f"bind {self.address}", *ports, f"dir {self._folder}", *self._lines()]
        (self._folder / "redis.conf").write_text("\n".join(lines) + "\n")
        return self._started(stack)

    def _started(self, stack: ExitStack) -> Process:
        process = self._run(stack, self._program, str(self._folder / "redis.conf"))
        process.expect("Ready to accept connections")
        return process


class Sentinel(Redis):
    """A Sentinel, which takes two of its kind for a failover."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__(folder)
        self.id = f"{number:040x}"

    def watch(self, master: Redis, replica: Redis | None = None, others: Sequence["Sentinel"] = ()) -> None:
        """Watch servers by the name "mail", with others; all of this is to be found out in seven seconds too."""
        for line in (
            f"sentinel myid {self.id}",
            f"sentinel monitor mail {master.address} {master.port} 2",
            "sentinel down-after-milliseconds mail 1000",
            "sentinel failover-timeout mail 3000",
            *([f"sentinel known-replica mail {replica.address} {replica.port}"] if replica else []),
            *(f"sentinel known-sentinel mail {each.address} {each.port} {each.id}" for each in others),
        ):
            self.add_setting(line)

    def agrees(self) -> bool:
        """Whether it has enough others for a failover, and a replica that may take the server's place."""
        return "OK" in self.ask("SENTINEL", "CKQUORUM", "mail") and "master-link-status\nok" in self.ask(
            "SENTINEL", "REPLICAS", "mail"
        )

    def _lines(self) -> Sequence[str]:
        return (f"unixsocket {self.path}", *self._settings)

    def _started(self, stack: ExitStack) -> Process:
        process = self._run(stack, "redis-server", str(self._folder / "redis.conf"), "--sentinel")
        process.expect(r"\+monitor master")
        return process


class Watched:
    """Two servers of which one is the other's replica, and three Sentinels; a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.servers = tuple(Redis(folder / name, _AT_ONCE) for name in ("first", "second"))
        self.sentinels = [Sentinel(folder / f"sentinel{number}", number) for number in (1, 2, 3)]

    @property
    def url(self) -> str:
        """What milter64 calls them."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/mail"

    @property
    def master(self) -> Redis:
        """The server that a Sentinel names now."""
        port = int(self._sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mail").split()[1])
        return next(each for each in self.servers if each.port == port)

    @property
    def _sentinel(self) -> Sentinel:
        return self.sentinels[-1]

    def fail_over(self) -> None:
        """Have the replica take the master's place, as planned."""
        self._sentinel.ask("SENTINEL", "FAILOVER", "mail")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            first, second = (stack.enter_context(each) for each in self.servers)
            second.ask("REPLICAOF", first.address, str(first.port))
            until(lambda: "state=online" in first.ask("INFO", "replication"))
            for each in self.sentinels:
                each.port = stack.enter_context(HERE.reserve(each.address)).port
            for each in self.sentinels:
                each.watch(first, second, [other for other in self.sentinels if other is not each])
                stack.enter_context(each)
            for each in self.sentinels:
                until(each.agrees, "Sentinels that know each other")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class RedisCluster:
    """A Cluster of three masters, each with as many replicas as are asked for; a context manager."""

    def __init__(self, folder: Path, *settings: str, replicas: int = 0) -> None:
        folder.mkdir()
        self._settings = settings
        self.nodes = [
            Redis(folder / str(number), "cluster-enabled yes", "cluster-node-timeout 1000", _AT_ONCE, *settings)
            for number in range(3 * (1 + replicas))
        ]

    @property
    def url(self) -> str:
        """What milter64 calls it; a node that is not named is to be found by the others."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{each.port}' for each in self.nodes[:2])}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                node.add_setting(f"cluster-port {stack.enter_context(HERE.reserve('127.0.0.1')).port}")
                stack.enter_context(node)
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _join(self) -> None:
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            bus = node.ask("CONFIG", "GET", "cluster-port").split()[1]
            first.ask("CLUSTER", "MEET", node.address, str(node.port), bus)
        for number, (begin, end) in enumerate(((0, 5460), (5461, 10922), (10923, 16383))):
            self.nodes[number].ask("CLUSTER", "ADDSLOTSRANGE", str(begin), str(end))
        for node in self.nodes:
            until(partial(self._all_known_to, node), "nodes to know each other")
        for number, node in enumerate(self.nodes[3:]):
            node.ask("CLUSTER", "REPLICATE", self.nodes[number % 3].ask("CLUSTER", "MYID"))
        for node in self.nodes:
            until(partial(_says, node, "cluster_state:ok", "CLUSTER", "INFO"), "a Cluster")
        for node in self.nodes[3:]:
            until(partial(_says, node, "master_link_status:up", "INFO", "replication"), "replicas")

    def _all_known_to(self, node: Redis) -> bool:
        return len(node.ask("CLUSTER", "NODES").splitlines()) == len(self.nodes)


def _says(server: Redis, what: str, *command: str) -> bool:
    return what in server.ask(*command)
