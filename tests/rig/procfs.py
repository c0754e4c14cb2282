"""Other people's processes, as /proc shows them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processes(link: str) -> Iterator[tuple[Path, str]]:
    """Yield where a link in a process's folder of /proc leads, and the process's name, for all processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            yield (process / link).readlink(), (process / "comm").read_text().strip()


def children(pid: int) -> list[int]:
    """Return the child processes of one; /proc/PID/task/PID/children leaves some out while others come and go."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)
