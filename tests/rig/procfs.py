"""Other people's processes, as /proc shows them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processes(link: str) -> Iterator[tuple[Path, str]]:
    """Yield where a link in a process's folder of /proc leads, and the process's name, for all processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            yield (process / link).readlink(), (process / "comm").read_text().strip()
