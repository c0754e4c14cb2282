"""Hosts that share a real server, without the threads of real ones: a story says when each of them does something."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from time import time
from traceback import format_exc
from typing import Any

import redis
from redis import Redis as Client

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.sharing.follower import Follower
from milter64.sharing.heartbeat import Heartbeat
from milter64.sharing.host_state import HostState
from milter64.sharing.interface import Command, Reply, ServersGone, Shard
from milter64.sharing.members import Member
from milter64.sharing.outgoing import Outgoing
from milter64.sharing.reconciling import Reconciling
from milter64.sharing.role import Role
from milter64.sharing.room import Room
from milter64.sharing.shared_store import SharedStore
from milter64.store.interface import Store
from milter64.store.memory_store import MemoryStore
from rig.redis import Redis

KIND = RecordKind(Settings())
_OLD = redis.__version__.startswith("4.")
_OPTIONS: Any = {} if _OLD else {"protocol": 2}
_COMMAND = ["any"] if _OLD else []
"""What a pool is told of a connection's use."""


class Reached:
    """`Servers` that are one, and are asked at once, on the caller's thread; `reached` says whether they can be."""

    def __init__(self, socket: Path) -> None:
        self._client = Client(unix_socket_path=str(socket), **_OPTIONS)
        self.together = True
        self.edition = 1
        self.reached = True
        self.cut = set[str]()
        """Keys whose server is out of reach."""
        self.lasts = math.inf
        """Round trips until it is out of reach."""
        self.asked: list[str] = []
        """The first words of all commands."""

    def send(self, key: str, commands: Sequence[Command]) -> Future[list[Reply]]:
        self.lasts -= 1
        if not self.reached or self.lasts < 0 or key in self.cut:
            raise ServersGone("the story says so")
        self.asked += [str(command[0]) for command in commands]
        future = Future[list[Reply]]()
        future.set_result(self._replies(commands))
        return future

    def run(self, *command: str | bytes | float) -> Reply:
        """Return what is answered to a command."""
        (reply,) = self.send("", [command]).result()
        return reply

    def ask(self, key: str, commands: Sequence[Command]) -> list[Reply]:
        return self.send(key, commands).result()

    def shards(self) -> Sequence[Shard]:
        return [lambda commands: self.send("", commands)]

    def close(self) -> None:
        self._client.close()

    def _replies(self, commands: Sequence[Command]) -> list[Reply]:
        pipe: Any = self._client.connection_pool.get_connection(
            *_COMMAND
        )  # redis-py's types are other ones in each version
        try:
            pipe.send_packed_command(pipe.pack_commands(commands))
            return [_reply(pipe) for _ in commands]
        finally:
            self._client.connection_pool.release(pipe)


def _reply(pipe: Any) -> Reply:  # noqa: ANN401  as above
    try:
        return pipe.read_response()
    except Exception as error:  # noqa: BLE001  whatever redis-py calls it
        return error


class Host:
    """A host of a story: what a worker has, and what it does when it is told to."""

    def __init__(
        self,
        name: str,
        socket: Path,
        now: Callable[[], float],
        *,
        own: Store[Record] | None = None,
        most: int = 10_000_000,
    ) -> None:
        self.name = name
        self.servers = Reached(socket)
        self.state = HostState()
        self.own = own or MemoryStore(KIND)
        self.now = now
        self._most = most
        self._seconds = 0.0
        self.faults: list[str] = []
        self.told: list[str] = []
        """Why it may not share, or "" where it may again."""
        self.met: list[Sequence[str]] = []
        """Which hosts share, each time that it has changed."""
        self.lost: list[str] = []
        """What the servers don't take."""
        self.start()

    def start(self) -> None:
        """Begin as a new process does, with what the store has, and nothing in memory."""
        servers, state, now = self.servers, self.state, self.now
        self.store = SharedStore(self.own, KIND, servers, state)
        self.outgoing = Outgoing(
            self.store.outbox, servers, state, self.name, KIND, now, self.lost.append, lambda: None, self._fault
        )
        self.follower = Follower(servers, state, self.name, self.own)
        self.role = Role(
            state,
            Heartbeat(servers, self.name, now),
            self.follower,
            Reconciling(servers, state, self.own, self.store.outbox, KIND, now),
            Room(servers, self.name, KIND, most=self._most),
            self.own,
            say=self._say,
            tell=self.told.append,
            meet=self.met.append,
            on_fault=self._fault,
            clock=lambda: self._seconds,
        )
        state.begins(0)

    def restart(self) -> None:
        """Be cut off, and begin anew; workers that share memory go on."""
        self.start()

    def turn(self) -> None:
        """Do what its threads would do in the next ten seconds."""
        self._seconds += 10.0
        self.role.turn()
        self.outgoing.work()

    def _fault(self) -> None:
        self.faults.append(format_exc())

    def _say(self, at: float, offset: float, state: str, lag: float) -> Member:
        return Member(
            host=self.name,
            version="1",
            at=at,
            offset=offset,
            state=state,
            lag=lag,
            rows=0,
            lists=0,
            limits=0,
            waiting=0,
        )


NETWORK = "net:192.31.196.0/24"
NOW = round(time(), 3)
PASSED = Record(generation=0, first_seen=NOW - 600, passed_at=NOW - 300)


def pair(number: int) -> str:
    """Return the key of a pair."""
    return f"<a{number}@honest.example> <b@lab.example>"


def full(number: int) -> MemoryStore[Record]:
    """Return a store with so many pairs that have passed."""
    store = MemoryStore(KIND)
    for n in range(number):
        store.merge(pair(n), {NETWORK: PASSED})
    return store


def begun(redis: Redis, name: str = "mx1", own: MemoryStore[Record] | None = None) -> Host:
    """Return a host that has begun to share, or may not."""
    host = Host(name, redis.path, time, own=own)
    turns(host)
    return host


def turns(*hosts: Host) -> None:
    """Let each of them have its turn until all have heard of all."""
    for _ in range(3):
        for host in hosts:
            host.turn()
            assert host.faults == []
