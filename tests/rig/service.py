"""milter64 itself, as a service in the foreground."""

import json
import signal
import sys
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

from rig.network import HERE, Network
from rig.process import PATIENCE, Process, alive, until
from rig.server import Server

Line = dict[str, Any]
"""A line of milter64's log."""


class Milter64(Server):
    """`milter64 run` with a configuration.

    The socket, the log's format, and a nameserver that refuses everything are added to the configuration, unless they
    are in it: milter64 asks at its start, and no question may leave the machine.
    """

    program: tuple[str, ...] = (sys.executable, "-m", "milter64", "run", "--config")
    """What is run; the path of the configuration follows."""

    def __init__(
        self, folder: Path, configuration: str = "", *, unix: Path | None = None, network: Network = HERE
    ) -> None:
        """Listen on the unix socket `unix`, else on an ephemeral port of localhost in `network`."""
        super().__init__(folder, network=network)
        self.file = folder / "milter64.toml"
        self._configuration = configuration
        self._unix = unix
        self.port = 0

    @property
    def milters(self) -> str:
        """The socket as Postfix names it."""
        return f"unix:{self._unix}" if self._unix else f"inet:127.0.0.1:{self.port}"

    @property
    def socket(self) -> str:
        """The socket as Sendmail and miltertest name it."""
        return f"unix:{self._unix}" if self._unix else f"inet:{self.port}@127.0.0.1"

    @property
    def log(self) -> list[Line]:
        """The lines that it has logged so far; what is no JSON object is left to `output`."""
        whole_lines = self.output.split("\n")[:-1]
        return [json.loads(line) for line in whole_lines if line.startswith("{")]

    def wait_log(self, wanted: Callable[[Line], object], seconds: float = PATIENCE) -> Line:
        """Wait for the first log line that `wanted` agrees to, and return it."""
        found = until(lambda: [line for line in self.log if wanted(line)], "a line in milter64's log", seconds=seconds)
        return found[0]

    def configure(self, configuration: str) -> None:
        """Write another configuration; `reload` makes milter64 read it."""
        self._configuration = configuration
        self.file.write_text(self._complete())

    def reload(self) -> None:
        self._process.send(signal.SIGHUP)

    @property
    def reloads(self) -> int:
        """How many are done."""
        return sum(line["event"] == "reloaded" for line in self.log)

    def become(self, configuration: str) -> None:
        """Go on by another configuration: who calls from now on meets workers that go by it, which costs no start."""
        before = self.reloads
        self.configure(configuration)
        self.reload()
        until(lambda: self.reloads > before, "the reload")

    def stop(self) -> int:
        """Stop it and return its exit code."""
        return self._process.stop()

    def _start(self, stack: ExitStack) -> Process:
        self.port = stack.enter_context(self._network.reserve("127.0.0.1", "::1")).port
        self.file.write_text(self._complete())
        process = self._run(stack, *self.program, str(self.file))
        until(lambda: self._accepts() or not alive(process.pid), f"milter64 to accept connections on {self.milters}")
        assert alive(process.pid), "milter64 has ended"
        return process

    def _accepts(self) -> bool:
        try:
            if self._unix:
                with socket(AF_UNIX) as connection:
                    connection.connect(str(self._unix))
            else:
                self._network.connect("127.0.0.1", self.port).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True

    def _complete(self) -> str:
        socket = f"unix:{self._unix}" if self._unix else f"inet:{self.port}@localhost"  # as by default
        text = _with(self._configuration, "milter", "socket", socket)
        text = _with(text, "dns", "nameservers", ["127.0.0.1:9"])
        return _with(text, "log", "format", "json")


def _with(configuration: str, section: str, key: str, value: str | list[str]) -> str:
    """Return the configuration with a key added to a section, unless it is there."""
    if key in tomllib.loads(configuration).get(section, {}):
        return configuration
    line = f"{key} = {json.dumps(value)}"
    header = f"[{section}]"
    before, found, after = configuration.partition(header)
    return f"{before}{header}\n{line}{after}" if found else f"{configuration}\n{header}\n{line}\n"
