"""Which log a verb reads: the journal's, or files."""

import argparse
import time
from collections.abc import Iterator

from milter64.config.toml_reader import Wrong, seconds
from milter64.history import sources
from milter64.lists.entry import moment
from milter64.lists.mistakes import Mistake
from milter64.pages.wording import said

_UNIT = "milter64.service"
TIMES = "2026-11-21, 2026-11-21T12:00Z, or so long ago as 7d"
"""What `past` reads."""


def log_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which log is read, and how much of it."""
    parser.add_argument("--since", type=past, metavar="TIME", help=f"from when on: {TIMES}")
    parser.add_argument("--until", type=past, metavar="TIME", help="until when, in the same way")
    log_argument(parser, "; - is standard input")


def log_argument(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Add which log is read; `more` says what else may be one."""
    parser.add_argument(
        "--log",
        action="append",
        metavar="FILE",
        help=f"a log in a file, with its rotated ones, packed or not{more}; may be repeated; default: the journal",
    )


def past(text: str) -> float:
    """Read a time, in seconds since 1970."""
    try:
        return time.time() - seconds(text)
    except Wrong:
        pass
    try:
        return moment(text)
    except Mistake as mistake:
        raise argparse.ArgumentTypeError(f"{mistake}; {mistake.remedy}; or so long ago as 7d") from mistake


def blocks(arguments: argparse.Namespace, warn: sources.Warn) -> Iterator[bytes]:
    """Yield the log by blocks of whole lines."""
    if arguments.log:
        paths = dict.fromkeys(path for log in arguments.log for path in sources.with_rotated(log))
        return sources.files(paths, warn)
    return sources.journal([_UNIT], warn, since=arguments.since, until=arguments.until)


def shown(arguments: argparse.Namespace) -> str:
    """Return in words which log it is, and how much of it."""
    log = ", ".join(arguments.log) if arguments.log else "the journal"
    bounds = (("since", arguments.since), ("until", arguments.until))
    return " ".join([log, *(f"{name} {said(at, 'time')}" for name, at in bounds if at is not None)])
