"""`milter64 forget`: take back what a command has said."""

import argparse
import os

from milter64.cli.listing import Row, change, complain, elsewhere, naming, show, who_argument
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.lists.list_file import BY_COMMAND
from milter64.lists.listed import ALLOW, BLOCK
from milter64.lists.mistakes import Mistake, NoMistakes
from milter64.lists.who import parse

EXAMPLES = """\
  Neither let a network in nor keep it out any more:
    milter64 forget 192.0.2.0/24
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    who_argument(parser)


def main(arguments: argparse.Namespace) -> int:
    """Take an entry out of both lists, and say where else it is."""
    settings = load(arguments.config)
    try:
        who = parse(arguments.who, NoMistakes())
    except Mistake as mistake:
        return complain("forget", f"{mistake}; {mistake.remedy}", os.EX_USAGE)

    gone, failure = list[Row](), ""
    try:
        for check in (BLOCK, ALLOW):
            gone += [Row(check=check, entry=each, place=BY_COMMAND) for each in change(settings, check, who)]
    except OSError as error:
        failure = str(error.strerror)
    screen = Screen()
    if gone:
        screen.title(f"Forgotten{elsewhere(settings)}")
        show(screen, gone)
    if failure:
        return complain("forget", failure, os.EX_UNAVAILABLE)
    if still := naming(settings, who):
        screen.title("In force all the same, until somebody takes it out there")
        show(screen, still)
    if not gone:
        return complain("forget", f"no command has said anything of {arguments.who}", os.EX_UNAVAILABLE)
    return os.EX_OK
