"""`milter64 page`: what the other verbs have for people, live in a browser, for as long as this runs."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from milter64.cli import audit, greylist_stats, report
from milter64.cli.background import read_at_length
from milter64.cli.log_source import log_argument
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.pages.document import Document
from milter64.pages.live import Live

PAGES: Mapping[str, Callable[[Path | None], Document]] = {
    "report": report.found,
    "greylist": greylist_stats.found,
    "audit": audit.found,
}
"""What there is, each made by its verb with a configuration's file."""
_LARGEST_PORT = 65535

EXAMPLES = """\
  See it in a browser on this host, until Ctrl-C is pressed:
    milter64 page
  The same where the service logs to a file:
    milter64 page --log /var/log/milter64.log
  From elsewhere, through `ssh -L 8064:127.0.0.1:8064 HOST`:
    milter64 page --port 8064
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    log_argument(parser)
    parser.add_argument("--port", type=_port, default=0, help="the port to be served at; default: one that is free")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= _LARGEST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: it is a number from 1 to {_LARGEST_PORT}")
    return int(text)


def main(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C is pressed."""
    read_at_length()
    load(arguments.config)  # what is wrong with it is said here, rather than on each page
    if "-" in (arguments.log or ()):
        arguments.error("argument --log: standard input can't be read anew for each page")
    pages: Mapping[str, Callable[[Path | None], Document]] = {
        **PAGES,
        "report": partial(report.found, log=arguments.log),
    }
    try:
        live = Live({name: partial(make, arguments.config) for name, make in pages.items()}, arguments.port)
    except OSError as error:
        at = f"at port {arguments.port}" if arguments.port else "on the loopback interface"
        Screen(sys.stderr).line(f"milter64 page: nothing can be served {at}: {error.strerror}")
        return os.EX_UNAVAILABLE
    with closing(live), suppress(KeyboardInterrupt):
        screen = Screen()
        screen.line(live.address)
        screen.line("Whoever has this address may read all. Ctrl-C ends it.")
        sys.stdout.flush()  # whoever waits for it at a pipe
        live.serve()
    return os.EX_OK
