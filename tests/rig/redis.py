"""Real Redis servers."""

import signal
from contextlib import ExitStack
from pathlib import Path

from rig.network import HERE, Network
from rig.process import Process
from rig.server import Server


class Redis(Server):
    """A redis-server, on a unix socket and, on loopback or another address of its network, by TCP."""

    def __init__(
        self, folder: Path, *settings: str, network: Network = HERE, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        """`settings` are lines of redis.conf; nothing is written to the disk unless they say so."""
        super().__init__(folder, network=network)
        self._settings = settings
        self.address, self.port = address, port

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

    def _start(self, stack: ExitStack) -> Process:
        if not self.port:
            self.port = stack.enter_context(self._network.reserve(self.address)).port
        lines = [
            f"bind {self.address}",
            f"port {self.port}",
            f"dir {self._folder}",
            f"unixsocket {self.path}",
            'save ""',
            *self._settings,
        ]
        (self._folder / "redis.conf").write_text("\n".join(lines) + "\n")
        return self._started(stack)

    def _started(self, stack: ExitStack) -> Process:
        process = self._run(stack, "redis-server", str(self._folder / "redis.conf"))
        process.expect("Ready to accept connections")
        return process
