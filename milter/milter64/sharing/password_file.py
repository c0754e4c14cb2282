"""Passwords that stand in a file: one line each."""

import os
from pathlib import Path

from milter64.limits.regular_file import read

_LARGEST = 4096


def password(path: Path) -> str:
    """Return the password in a file.

    Raises:
        OSError: it can't be read, or there is something else in it; `strerror` says why.
    """
    line = read(path, _LARGEST).decode(errors="surrogateescape").removesuffix("\n")
    if not line or not line.isprintable():
        raise OSError(0, "not a single line of UTF-8 with a password")
    return line


def credential(name: str) -> Path:
    """Return the file in which systemd gives this process a secret (LoadCredential=, systemd.exec(5)).

    Raises:
        OSError: it gives none.
    """
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        return Path(folder) / name
    raise OSError(0, f"there is no credential {name}: systemd gives none to this process")
