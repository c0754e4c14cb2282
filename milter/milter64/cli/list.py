"""`milter64 list`: all entries that are in force."""

import argparse
import json
import os
import sys
from itertools import chain
from pathlib import Path

from milter64.cli.listing import rows, show
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load

EXAMPLES = """\
  Who is let in, who is kept out, until when, and why?
    milter64 list
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    """Show all entries in force, of the configuration, of files, and by command; fail if there may be others."""
    screen, complaints, unread = Screen(), Screen(sys.stderr), list[Path]()
    some = rows(load(arguments.config), lambda what: complaints.line(f"milter64 list: {what}"), unread.append)
    if arguments.json:
        screen.line("[" + ",\n ".join(json.dumps(row.told()) for row in some) + "]")
    elif first := next(some, None):
        show(screen, chain([first], some))
    elif not unread:
        screen.line("nobody is listed")
    return os.EX_UNAVAILABLE if unread else os.EX_OK
