"""`milter64 greylist export`: the whole greylist as text, which `import` reads back."""

import argparse
import os
from collections.abc import Iterable
from typing import IO

from milter64.cli.greylist_file import Unavailable, opened
from milter64.cli.terminal_layout import Screen
from milter64.config.settings import Settings
from milter64.greylist.export_text import dump

_MODE = 0o600
"""Who writes to whom is nobody else's business."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write all rows, into a file wholly or not at all."""
    with opened(settings) as greylist:
        lines = dump(greylist.reader.everything())
        if arguments.file is None:
            screen = Screen()
            for line in lines:
                screen.line(line)
            return os.EX_OK
        path = arguments.file
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
            try:
                with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  a descriptor, and no path
                    _write(file, lines)
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{path} can't be written: {error.strerror}") from error
    return os.EX_OK


def _write(file: IO[str], lines: Iterable[str]) -> None:
    file.writelines(f"{line}\n" for line in lines)
    file.flush()
    os.fsync(file.fileno())
