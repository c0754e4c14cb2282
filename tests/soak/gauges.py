"""What the service's processes use: memory, threads and descriptors, all through their lives."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from soak.service import Service

GROWTH = 32 * 1024 * 1024
"""Octets by which a process may grow once it has settled."""
_MORE = {"threads": 100, "descriptors": 2}
"""How many may come and go: the pools of threads fill up by and by, to their caps."""
_IN_FLIGHT = 8
"""Descriptors of a worker on top of these: a few sessions wait at any time for servers that say nothing."""
_EVERY = 1.0
_KNOWN_AFTER = 3
"""Samples after which it shows what a process is."""
_PAGE = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used at a time."""

    when: float
    memory: int
    threads: int
    descriptors: int


@dataclass(slots=True)
class Life:
    """A process; `samples` are of its whole life."""

    pid: int
    role: str = ""
    samples: list[Sample] = field(default_factory=list)

    def settled(self, seconds: float) -> list[Sample]:
        """Return the samples of the time after it has settled."""
        return [sample for sample in self.samples if sample.when >= self.samples[0].when + seconds]

    def growth(self, seconds: float) -> int:
        """Return by how many octets it grew after it had settled, at most."""
        settled = self.settled(seconds)
        return max(sample.memory for sample in settled) - settled[0].memory if settled else 0

    def more(self, seconds: float, of: Callable[[Sample], int]) -> int:
        """Return how many more of a thing it had at the quietest time of its end than at that of its beginning."""
        settled = self.settled(seconds)
        if not settled or settled[-1].when - settled[0].when < 2 * seconds:
            return 0
        first = min(of(sample) for sample in settled if sample.when <= settled[0].when + seconds)
        last = min(of(sample) for sample in settled if sample.when >= settled[-1].when - seconds)
        return last - first


class Gauges:
    """Looks at all processes once a second, until closed."""

    def __init__(self, service: Service, settles: float) -> None:
        """`settles` is the seconds after which a process is taken to have settled."""
        self._service = service
        self._settles = settles
        self._lives: dict[tuple[int, str], Life] = {}
        self._closed = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join()

    @property
    def roles(self) -> list[str]:
        """The roles that processes have had."""
        return sorted({life.role for life in self._lives.values() if len(life.samples) > _KNOWN_AFTER})

    def of(self, role: str) -> list[Life]:
        """Return all processes of a role, that have been seen long enough."""
        lives = self._lives.values()
        return [life for life in lives if life.role == role and len(life.samples) > _KNOWN_AFTER]

    def row(self, role: str) -> tuple[str, str]:
        """Return a line of a table about the processes of a role."""
        lives = self.of(role)
        samples = [sample for life in lives for sample in life.samples]
        peak = max(sample.memory for sample in samples) / 2**20
        growth = max(life.growth(self._settles) for life in lives) / 2**20
        threads = max(life.more(self._settles, lambda sample: sample.threads) for life in lives)
        descriptors = max(life.more(self._settles, lambda sample: sample.descriptors) for life in lives)
        memory = f"{peak:.0f} MiB at most, {growth:+.1f} MiB once settled"
        return f"{role} ({len(lives)})", f"{memory}; threads {threads:+d}, descriptors {descriptors:+d}"

    def wrong(self) -> list[str]:
        """Return what grew."""
        found = []
        for life in (life for role in self.roles for life in self.of(role)):
            if (growth := life.growth(self._settles)) > GROWTH:
                found.append(f"{life.role} has grown by {growth / 2**20:.1f} MiB")
            for name, most in _MORE.items():
                more = life.more(self._settles, lambda sample, name=name: int(getattr(sample, name)))  # type: ignore[misc]
                if more > most + (_IN_FLIGHT if (life.role, name) == ("worker", "descriptors") else 0):
                    found.append(f"{life.role} has {more} {name} more")
        return found

    def _look(self) -> None:
        while not self._closed.wait(_EVERY):
            supervisor = self._service.pid
            for pid in (supervisor, *self._service.children()):
                with suppress(OSError, IndexError):
                    life = self._lives.setdefault((pid, _stat(pid)[19]), Life(pid))
                    life.samples.append(_sample(pid))
                    if len(life.samples) <= _KNOWN_AFTER:
                        life.role = self._role(pid, supervisor)

    def _role(self, pid: int, supervisor: int) -> str:
        if pid == supervisor:
            return "supervisor"
        return "metrics server" if pid == self._service.metrics_server() else "worker"


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _sample(pid: int) -> Sample:
    fields = _stat(pid)
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  no Path is needed
    return Sample(time.monotonic(), int(fields[21]) * _PAGE, int(fields[17]), descriptors)
