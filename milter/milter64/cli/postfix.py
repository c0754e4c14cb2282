"""`milter64 postfix`: what to tell Postfix, and what in its settings would break."""

import argparse
import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from milter64.audit.facts.host import own_addresses
from milter64.audit.facts.postconf import PostfixUnreadable, read
from milter64.audit.facts.smtpd_services import Case
from milter64.audit.rules.blind_restrictions import blind_restrictions
from milter64.audit.rules.client_rights import by_ipv4, client_rights
from milter64.audit.rules.postfix_settings import Trouble, check, plan
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load

EXAMPLES = """\
  What is to be run, and what in main.cf and master.cf would break?
    milter64 postfix
  The same, for a configuration that doesn't count yet:
    milter64 postfix --config new.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "--config-directory",
        type=Path,
        metavar="DIRECTORY",
        help="where Postfix's main.cf and master.cf are; default: Postfix's own folder",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    """Print the lines that are to be run, and what is wrong until they have been."""
    settings = load(arguments.config)
    directory: Path | None = arguments.config_directory
    try:
        postfix = read(directory)
    except PostfixUnreadable as error:
        Screen(sys.stderr).line(f"milter64 postfix: {error}")
        return os.EX_UNAVAILABLE
    lines = [setting.command(directory) for setting in plan(postfix, settings)]
    if lines:
        lines.append(shlex.join(["postfix", *(["-c", str(directory)] if directory else []), "reload"]))
    case, ipv4 = Case(postfix, settings), by_ipv4(own_addresses())
    everything = (*check(postfix, settings), *client_rights(case, ipv4=ipv4), *blind_restrictions(case))
    troubles = sorted(everything, key=lambda trouble: not trouble.breaks)
    if arguments.json:
        found = [dataclasses.asdict(trouble) for trouble in troubles]
        Screen().line(json.dumps({"directory": str(postfix.directory), "lines": lines, "troubles": found}, indent=2))
    else:
        _show(Screen(), postfix.directory, lines, troubles)
    return os.EX_CONFIG if any(trouble.breaks for trouble in troubles) else os.EX_OK


def _show(screen: Screen, directory: Path, lines: Sequence[str], troubles: Sequence[Trouble]) -> None:
    if lines:
        screen.title("Run")
        for line in lines:
            screen.line(f"  {line}")
    if troubles:
        breaking = sum(trouble.breaks for trouble in troubles)
        screen.title(f"{directory}: {breaking} of {len(troubles)} would break mail")
        rows = []
        for trouble in troubles:
            colour = "red" if trouble.breaks else "yellow"
            rows.append(
                (
                    "breaks" if trouble.breaks else "mind",
                    screen.paint(trouble.where, "bold"),
                    screen.paint(trouble.what, colour),
                )
            )
            rows.append(("", "", trouble.remedy))
        screen.table(rows, ("", "WHERE", "WHAT IS WRONG, AND ITS REMEDY"))
    if not lines and not troubles:
        screen.line(f"{directory} is as it should be")
