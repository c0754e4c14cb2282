"""milter64, and the floors under any milter; and DNS from afar."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from socket import AF_INET, AF_UNIX, SOCK_DGRAM, socket

import dns.exception
import dns.message
import dns.query

from rig import service
from rig.process import PATIENCE, Process, alive, until
from rig.server import Server

HERE = Path(__file__).parent


class Floor(Server):
    """A milter that does as little as can be: accepts everything."""

    options: tuple[str, ...] = ()
    """What milterload is told about it."""
    patience = PATIENCE
    """Seconds that its start may take."""

    def __init__(self, folder: Path, *command: str | Path) -> None:
        """Run `command`, in which the word SOCKET stands for where to listen."""
        super().__init__(folder)
        self._path = folder / "sock"
        self._command = [self.socket if word == "SOCKET" else str(word) for word in command]

    @property
    def socket(self) -> str:
        """The socket as milterload names it."""
        return f"unix:{self._path}"

    def _start(self, stack: ExitStack) -> Process:
        process = self._run(stack, *self._command)
        begun = f"{type(self).__name__} to accept connections"
        until(lambda: self._accepts() or not alive(process.pid), begun, seconds=self.patience)
        assert alive(process.pid), f"it ended at once: {process.output}{self.output}"
        return process

    def _accepts(self) -> bool:
        try:
            with socket(AF_UNIX) as connection:
                connection.connect(str(self._path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


class Plain(Floor):
    """pymilter, as everyone writes it: one process, and each event is replied to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, sys.executable, HERE / "acceptall.py", "SOCKET", "envelope")


class Prefork(Floor):
    """pymilter at its fastest: a pinned process per CPU, and RCPT alone is replied to."""

    def __init__(self, folder: Path) -> None:
        cpus = str(len(os.sched_getaffinity(0)))
        super().__init__(folder, sys.executable, HERE / "acceptall.py", "SOCKET", "quiet", "--processes", cpus)


class InC(Floor):
    """libmilter itself, without Python; each event is replied to."""

    def __init__(self, folder: Path, tools: Path) -> None:
        super().__init__(folder, tools / "acceptall", "SOCKET", "envelope")


class Milter64(service.Milter64):
    """milter64, which logs to a file, as a service does: a line per session is too much for the rig to collect."""

    options: tuple[str, ...] = ()
    program = ("sh", "-c", 'exec "$0" -m milter64 run --config "$1" 2>"$1.log"', sys.executable)

    def __init__(self, folder: Path, configuration: str) -> None:
        super().__init__(folder, configuration, unix=folder / "sock")

    @property
    def output(self) -> str:
        """What it has logged so far."""
        return self.file.with_name(f"{self.file.name}.log").read_text()


System = Floor | Milter64


class DelayedDns(Server):
    """A nameserver as if it were some milliseconds away."""

    def __init__(self, folder: Path, tools: Path, server: int, milliseconds: int) -> None:
        """Stand before the one that listens on the port `server` of 127.0.0.1."""
        super().__init__(folder)
        with socket(AF_INET, SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        listen, ask = ("127.0.0.1", str(self.port)), ("127.0.0.1", str(server))
        self._command = (str(tools / "dnsdelay"), *listen, *ask, str(milliseconds))

    def _start(self, stack: ExitStack) -> Process:
        process = self._run(stack, *self._command)
        until(self._answers, "dnsdelay to answer")
        return process

    def _answers(self) -> bool:
        try:
            dns.query.udp(dns.message.make_query("world.test.", "SOA"), "127.0.0.1", timeout=1, port=self.port)
        except (dns.exception.Timeout, OSError):
            return False
        return True
