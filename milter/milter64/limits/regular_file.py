"""Reads a file, and not a pipe or a device, which might keep us waiting for ever, or never end; and no giant."""

import os
import stat
from pathlib import Path


def read(path: Path, most: int, *, follow: bool = True) -> bytes:
    """Return what is in a file of so many octets at most; without `follow`, `path` may be no symbolic link.

    Raises:
        OSError: it can't be read, is none, or is too large.
    """

    def at_once(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))

    with open(path, "rb", opener=at_once) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(0, "no regular file")
        if len(raw := opened.read(most + 1)) > most:
            raise OSError(0, f"more than {most} bytes")
    return raw
