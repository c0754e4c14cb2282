"""`milter64 greylist export`: the whole greylist as text, which `import` reads back."""

import argparse
import os

from milter64.cli.background import read_at_length
from milter64.cli.greylist_file import Unavailable, opened
from milter64.cli.terminal_layout import Screen
from milter64.cli.whole_file import refusal, whole
from milter64.config.settings import Settings
from milter64.greylist.export_text import dump

_MODE = 0o600
"""Who writes to whom is nobody else's business."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write all rows, into a file wholly or not at all."""
    read_at_length()
    path = arguments.file
    if path is not None and (why := refusal(path)):
        raise Unavailable(why)
    with opened(settings) as greylist:
        lines = dump(greylist.reader.everything())
        if path is None:
            screen = Screen()
            for line in lines:
                screen.line(line)
            return os.EX_OK
        try:
            with whole(path, _MODE) as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            raise Unavailable(f"{path} can't be written: {error.strerror}") from error
    return os.EX_OK
