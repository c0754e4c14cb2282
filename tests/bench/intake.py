"""A real Postfix that takes mail in, one before each system, and smtp-source, its client."""

import re
import resource
import subprocess
import time
from pathlib import Path

from bench.measure import CONNECTIONS, Report, cpu_seconds, rest
from bench.systems import System
from bench.world import LOOPBACK
from rig.lab import Lab
from rig.postfix import Postfix

SENDER = f"news@{LOOPBACK}"
RECIPIENT = "user@lab.example"
_WORLD_WRITABLE = 0o666


class Intake:
    """A Postfix that asks a system about each mail, and throws away what it has taken in."""

    def __init__(self, lab: Lab, system: System) -> None:
        self._system = system
        path = system.socket.removeprefix("unix:")
        Path(path).chmod(_WORLD_WRITABLE)  # smtpd is not root
        self._postfix = lab.start(Postfix, milters=system.socket, virtual_transport="discard:")

    @property
    def pid(self) -> int:
        """The first process of Postfix, and its process group."""
        return self._postfix.pid

    def send(self, messages: int) -> Report:
        """Send so many messages, as many sessions at once as elsewhere, and report as milterload does."""
        command = (
            *("smtp-source", "-c", "-s", CONNECTIONS, "-m", messages, "-M", LOOPBACK, "-f", SENDER, "-t", RECIPIENT),
            f"inet:127.0.0.1:{self._postfix.port}",
        )
        before, own, begun = cpu_seconds({self._system.pid}), _children_seconds(), time.monotonic()
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begun
        used = cpu_seconds({self._system.pid}) - before
        sent = sent_of(done.stdout)
        report = {
            "sessions": sent,
            "failed": messages - sent,
            "seconds": seconds,
            "messages_per_second": sent / seconds,
            "generator_cpu_seconds": _children_seconds() - own,
            "errors": done.stderr.strip(),
            "server": {"cpu_seconds": used, "cpu_us_per_session": used * 1e6 / sent if sent else 0.0},
        }
        rest(self.pid)  # the queue manager still delivers
        return report


def sent_of(output: str) -> int:
    """Return how many messages smtp-source has sent.

    With -c it counts them on one line, each number but the last ended by a carriage return. It gives up at the first
    reply that is not positive; what it was to send then is not sent.
    """
    numbers = re.findall(r"\d+", output)
    return int(numbers[-1]) if numbers else 0


def _children_seconds() -> float:
    """Return the CPU time of our children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
