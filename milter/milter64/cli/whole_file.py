"""A file that is written whole or not at all, and never in the place of what is no file, such as /dev/null."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO


def refusal(path: Path) -> str:
    """Return why nothing can be written there, as far as that is known beforehand; else ""."""
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        return f"{path} is there, and is no file"
    return "" if os.access(path.parent, os.W_OK) else f"nothing can be written in {path.parent}"


@contextmanager
def whole(path: Path, mode: int = 0o666) -> Iterator[IO[str]]:
    """Give a file to be written, of a mode that the umask takes from; it takes its place when that has gone well.

    Raises:
        OSError: it can't be written, and what was there is there still.
    """
    unfinished = path.with_name(f".{path.name}.{token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  a descriptor, and no path
            yield file
            file.flush()
            os.fsync(descriptor)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
