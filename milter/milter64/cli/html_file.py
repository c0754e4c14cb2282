"""`--html FILE`: a Document as one page in a file, written whole or not at all."""

import argparse
import os
import stat
import sys
from pathlib import Path
from secrets import token_hex

from milter64.cli.terminal_layout import Screen
from milter64.mail.clean_text import clean
from milter64.pages.document import Document
from milter64.pages.html import page


def html_argument(parser: argparse._ActionsContainer) -> None:
    """Add the option."""
    parser.add_argument("--html", type=_file, metavar="FILE", help="write a page for a browser into a file")


def _file(text: str) -> Path:
    """Read where a page is to go; better now than when all has been found out."""
    path = Path(text)
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise argparse.ArgumentTypeError(f"{clean(text)} is there, and is no file")
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"nothing can be written in {clean(str(path.parent))}")
    return path


def write(document: Document, path: Path, verb: str) -> int:
    """Write the page, its mode by the umask, and return an exit code: it says why if it can't be written."""
    unfinished = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        try:
            with unfinished.open("x", encoding="ascii") as file:
                file.write(page(document))
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        Screen(sys.stderr).line(f"milter64 {verb}: {clean(str(path))} can't be written: {error.strerror}")
        return os.EX_UNAVAILABLE
    return os.EX_OK
