"""`--html FILE`: a Document as one page in a file."""

import argparse
import os
import sys
from pathlib import Path

from milter64.cli.terminal_layout import Screen
from milter64.cli.whole_file import refusal, whole
from milter64.mail.clean_text import clean
from milter64.pages.document import Document
from milter64.pages.html import page


def html_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option."""
    parser.add_argument(
        "--html", type=Path, action=_Place, metavar="FILE", help="write a page for a browser into a file"
    )


class _Place(argparse.Action):
    """Takes where a page is to go, and ends where that can't be; better now than when all has been found out."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Take a path."""
        assert isinstance(values, Path)
        if why := refusal(values):
            parser.exit(os.EX_UNAVAILABLE, f"{parser.prog}: {option_string}: {clean(why)}\n")
        setattr(namespace, self.dest, values)


def write(document: Document, path: Path, verb: str) -> int:
    """Write the page, its mode by the umask, and return an exit code: it says why if it can't be written."""
    try:
        with whole(path) as file:
            file.write(page(document))
    except OSError as error:
        Screen(sys.stderr).line(f"milter64 {verb}: {clean(str(path))} can't be written: {error.strerror}")
        return os.EX_UNAVAILABLE
    return os.EX_OK
