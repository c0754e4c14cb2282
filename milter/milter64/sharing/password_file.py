"""Passwords that stand in a file: one line each."""

import os
from pathlib import Path

from milter64.limits.regular_file import read

_LARGEST = 4096


def password(path: Path) -> str:
    """Return the password in a file.

    Raises:
        OSError: it can't be read, or there is something else in it; `strerror` says where and why.
    """
    try:
        text = read(path, _LARGEST).decode()
    except UnicodeDecodeError:
        raise OSError(0, f"the password in {path} is no UTF-8") from None  # which would tell it
    except OSError as error:
        raise OSError(error.errno, f"the password in {path} can't be read: {error.strerror}") from error
    line = text.removesuffix("\n")
    if not line or not line.isprintable():
        raise OSError(0, f"{path} has to hold a password in one line, and nothing else")
    return line


def credential(name: str) -> Path:
    """Return the file in which systemd gives this process a secret (LoadCredential=, systemd.exec(5)).

    Raises:
        OSError: it gives none.
    """
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        return Path(folder) / name
    raise OSError(0, f"there is no credential {name}: systemd gives none to this process")
