"""The service under test, with a manager that starts it again at once, as systemd would."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from rig.network import HERE
from rig.numbers import get
from rig.process import alive, until
from rig.procfs import children
from soak.log import Log

DELAY = 3.0
"""Seconds that a first try must wait."""
WORKERS = 2
_SETTINGS = """
[milter]
socket = "inet:{port}@localhost"
workers = {workers}
[dns]
nameservers = ["{nameserver}"]
[greylist]
store = "sqlite:{rows}"
delay = "{delay:g}s"
[metrics]
listen = "127.0.0.1:{metrics_port}"
[log]
format = "json"
"""
_INODE = re.compile(r"\bino:(\d+)")
_ENDS_WITHIN = 20.0
"""Seconds; TimeoutStopSec of the unit."""


class Service:
    """milter64 with two workers, rows in a file, and its numbers; `clock` is the file that says how far it is ahead."""

    def __init__(self, folder: Path, rows: Path, nameserver: str, library: Path, log: Log) -> None:
        self._reservation = HERE.reserve("127.0.0.1", "::1")
        self._metrics_reservation = HERE.reserve("127.0.0.1")
        self.port, self.metrics_port = self._reservation.port, self._metrics_reservation.port
        self.rows = rows
        self.file = folder / "milter64.toml"
        self.settings = _SETTINGS.format(
            port=self.port,
            metrics_port=self.metrics_port,
            nameserver=nameserver,
            rows=rows,
            delay=DELAY,
            workers=WORKERS,
        )
        self.file.write_text(self.settings)
        self._clock = folder / "clock"
        self.ahead = 0
        self.step(0)
        self._environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "SOAK_CLOCK": str(self._clock),
            "TMPDIR": str(folder),
        }
        self.log = log
        self.starts = 0
        # It ends with the thread that has started it.
        self._starter = ThreadPoolExecutor(1)
        self.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it is to be found."""
        return "127.0.0.1", self.port

    @property
    def pid(self) -> int:
        """The supervisor's."""
        return self._child.pid

    def start(self) -> None:
        """Start it, and wait until all its workers serve."""
        ready = self.log.events["ready"]
        command = HERE.command(sys.executable, "-m", "milter64", "run", "--config", str(self.file))
        self._child = self._starter.submit(self._begin, command).result()
        self.starts += 1
        until(lambda: self.log.events["ready"] > ready or self.ended, "the service to be ready", seconds=60)
        if self.ended:
            raise RuntimeError(f"the service ended with {self._child.returncode}")
        until(self.metrics_server, "the metrics server")

    def _begin(self, command: list[str]) -> "subprocess.Popen[bytes]":
        end = self.log.descriptor
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=end,
            stderr=end,
            env=self._environment,
            start_new_session=True,
        )

    def restart(self) -> list[int]:
        """Start it again after its supervisor's death, as systemd would; return who had to be killed for it."""
        self._child.wait()
        self._signal(signal.SIGTERM)
        late: list[int] = []
        try:
            until(lambda: not self._group(), "the workers to end", seconds=_ENDS_WITHIN)
        except AssertionError:
            late = self._group()
            self._signal(signal.SIGKILL)
            until(lambda: not self._group(), "the workers to be gone")
        self.start()
        return late

    def stop(self) -> int:
        """Stop it, and return its exit code; -1 if it has to be killed."""
        self._child.send_signal(signal.SIGTERM)
        try:
            code = self._child.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            code = -1
        self._signal(signal.SIGKILL)
        self._child.wait()
        return code

    def close(self) -> None:
        """Leave nothing behind."""
        self._signal(signal.SIGKILL)
        self._child.wait()
        self._starter.shutdown()
        self.log.close()
        self._reservation.close()
        self._metrics_reservation.close()

    def step(self, seconds: int) -> None:
        """Step its wall clock."""
        self.ahead += seconds
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(self.ahead.to_bytes(8, sys.byteorder, signed=True))

    def kill(self, pid: int) -> None:
        """Kill one of its processes."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def children(self) -> list[int]:
        """Return the supervisor's children."""
        return [pid for pid in children(self.pid) if alive(pid)]

    def metrics_server(self) -> int | None:
        """Return who serves the numbers."""
        return next(iter(self._listening(self.metrics_port)), None)

    def workers(self) -> set[int]:
        """Return the workers that take sessions."""
        return set(self._listening(self.port)) - {self.metrics_server()}

    def ports_with(self, pid: int) -> set[int]:
        """Return the ports from which clients are connected with a process."""
        held = sockets(pid)
        return {port for port, inode in _connections(self.port) if inode in held}

    def _listening(self, port: int) -> list[int]:
        """Return the supervisor's children that have a listening socket."""
        inodes = _listeners(port)
        return [pid for pid in self.children() if inodes & sockets(pid)]

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of what is served by HTTP, 0 if nobody serves."""
        return get(self.metrics_port, path)

    @property
    def ended(self) -> bool:
        """Whether the supervisor is gone."""
        return self._child.poll() is not None

    def _group(self) -> list[int]:
        """Return who is left of all that it has started."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.pid and state != "Z":
                    found.append(int(stat.parent.name))
        return found

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def stopped(pid: int) -> bool:
    """Stop a process, and return whether it was there to be stopped."""
    try:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "TZX", "it to stop")
    except OSError:
        return False
    return True


def sockets(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    found = set()
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                link = os.readlink(file)  # noqa: PTH115  no Path is needed
                if link.startswith("socket:["):
                    found.add(link[8:-1])
    return found


def _listeners(port: int) -> set[str]:
    """Return the inodes of the listening sockets at a port."""
    return set(_INODE.findall(_ss("--listening", f"sport = :{port}")))


def _connections(port: int) -> Iterator[tuple[int, str]]:
    """Yield the port of the other end, and the inode of this end, of all connections that came in at a port."""
    for line in _ss("state", "connected", f"sport = :{port}").splitlines():
        match = _INODE.search(line)
        if match and not line.startswith("TIME-WAIT"):
            yield int(line.split()[4].rpartition(":")[2]), match[1]


def _ss(*words: str) -> str:
    return HERE.run("ss", "--tcp", "--numeric", "--extended", "--no-header", *words)
