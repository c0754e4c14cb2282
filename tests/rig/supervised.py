"""The supervisor and its workers as a service of their own, with the milter of `rig.telltale`."""

import json
import os
import re
import sys
from pathlib import Path
from socket import socket
from typing import Any

from rig.milterclient import Address, MilterClient
from rig.process import Process, until
from rig.procfs import children

_TESTS = Path(__file__).parents[1]

Line = dict[str, Any]


class Supervised(Process):
    """A service; `address` and `line` wait until it is ready, or has come so far.

    Keys of its configuration are those of `rig.telltale.load`; without any it listens on a port of 127.0.0.1 that was
    free, and has one worker.
    """

    def __init__(self, folder: Path, *, name: str = "service", wrapper: tuple[str, ...] = (), **keys: object) -> None:
        """Start it, by the command `wrapper` if one is given."""
        self.file = folder / f"{name}.json"
        self._keys: dict[str, object] = {"socket": "inet:0@127.0.0.1"}
        self.configure(**keys)
        super().__init__(*wrapper, sys.executable, "-m", "rig.telltale", self.file, env={"PYTHONPATH": str(_TESTS)})

    def configure(self, **keys: object) -> None:
        """Change keys of the configuration, to be read at a reload."""
        self._keys |= keys
        self.file.write_text(json.dumps(self._keys))

    @property
    def lines(self) -> list[Line]:
        """What has been logged so far."""
        complete = self.output.split("\n")[:-1]
        return [json.loads(line) for line in complete if line.startswith("{")]

    def line(self, event: str, nth: int = 0) -> Line:
        """Wait for the log line of an event, or for a later one of that event."""
        return until(lambda: [line for line in self.lines if line["event"] == event][nth:], f"the event {event!r}")[0]

    @property
    def address(self) -> Address:
        """Where it listens, according to the last line that says so."""
        self.line("ready")
        name = [line["socket"] for line in self.lines if "socket" in line][-1].replace("localhost", "127.0.0.1")
        if name.startswith("unix:"):
            return str(name.removeprefix("unix:"))
        match = re.fullmatch(r"inet6?:(\d+)@\[?([^\]]+)\]?", name)
        assert match
        return match[2], int(match[1])

    @property
    def workers(self) -> set[int]:
        """The process ids of the workers, those too that have retired."""
        return set(children(self.pid))

    @property
    def nothing_left(self) -> bool:
        """Whether the service is gone with all that it has started."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def session(self, host: str = "") -> "Session":
        """Begin a session as far as MAIL, at another of its addresses if one is given."""
        return Session((host, int(self.address[1])) if host else self.address)


class Session(MilterClient):
    """A session that has come as far as MAIL."""

    def __init__(self, address: Address | socket) -> None:
        super().__init__(address)
        self.connect()
        self.helo()
        self.mail()

    def ask(self) -> tuple[int, str]:
        """Send RCPT, and return which worker answered, and its greeting."""
        _, _, pid, greeting = self.rcpt().text.split(" ", 3)
        return int(pid), greeting
