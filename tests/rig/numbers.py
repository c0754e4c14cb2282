"""milter64 with its numbers, as Prometheus reads them."""

import re
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from rig.process import Process, until
from rig.procfs import children
from rig.service import Milter64

Labels = dict[str, str]


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and text of what is served by HTTP on a port of 127.0.0.1; 0, and why, if nobody serves."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, HTTPException) as error:
        return 0, repr(error)
    finally:
        connection.close()


class Counted(Milter64):
    """milter64 that serves its numbers on a port of 127.0.0.1; a test says so in [metrics] where it wants otherwise."""

    def __init__(self, folder: Path, configuration: str = "") -> None:
        super().__init__(folder, configuration)
        self.metrics_port = 0

    def _start(self, stack: ExitStack) -> Process:
        self.program = ("env", f"TMPDIR={self._folder}", *Milter64.program)  # killed as a group, it clears nothing away
        self.metrics_port = stack.enter_context(self._network.reserve("127.0.0.1")).port
        if "[metrics]" not in self._configuration:
            self._configuration += f'\n[metrics]\nlisten = "127.0.0.1:{self.metrics_port}"\n'
        return super()._start(stack)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text; 0 if nobody listens."""
        return get(self.metrics_port, path)

    def samples(self) -> list[tuple[str, Labels, float]]:
        """Return all numbers by name and labels, the program's prefix left out.

        At a reload there is a moment in which nobody serves them.
        """
        families = text_string_to_metric_families(until(self._text, "the numbers"))
        return [
            (sample.name.removeprefix("milter64_"), sample.labels, sample.value)
            for family in families
            for sample in family.samples
        ]

    def number(self, name: str, **labels: str) -> float:
        """Return the sum of the numbers of a name that have some labels."""
        return sum(value for known, has, value in self.samples() if known == name and labels.items() <= has.items())

    def counts_to(self, wanted: float, name: str, **labels: str) -> None:
        """Wait until a number is what it must become."""
        until(lambda: self.number(name, **labels) >= wanted, f"{name} {labels} to be {wanted}")
        assert self.number(name, **labels) == wanted

    def _text(self) -> str:
        status, text = self.get("/metrics")
        return text if status else ""

    @property
    def children(self) -> tuple[set[int], set[int]]:
        """The ids of the workers, which each have a page for their numbers, and of who serves the numbers."""
        pids = set(children(self.pid))
        workers = set(filter(_has_page, pids))
        return workers, pids - workers

    @property
    def folder_of_numbers(self) -> Path | None:
        """Where the processes write their numbers, if they do."""
        maps = Path(f"/proc/{self.pid}/maps").read_text()
        return next(
            (Path(line.split()[-1]).parent for line in maps.splitlines() if line.endswith("supervisor.db")), None
        )


def _has_page(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        return bool(re.search(r"/counter_[0-9]+\.db$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE))
    return False
