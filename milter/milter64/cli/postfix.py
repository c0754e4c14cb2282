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
from milter64.audit.facts.instances import instances
from milter64.audit.facts.postconf import Postfix, PostfixUnreadable
from milter64.audit.facts.smtpd_services import Case
from milter64.audit.rules.blind_restrictions import blind_restrictions
from milter64.audit.rules.client_rights import by_ipv4, client_rights
from milter64.audit.rules.postfix_settings import Trouble, check, plan
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.mail.clean_text import clean

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
    try:
        found = instances(arguments.config_directory)
    except PostfixUnreadable as error:
        Screen(sys.stderr).line(f"milter64 postfix: {error}")
        return os.EX_UNAVAILABLE
    advice = [(postfix, _lines(postfix, settings), _troubles(postfix, settings)) for postfix in found.judged]
    if arguments.json:
        report = {
            "directory": str(found.judged[0].directory),
            "lines": [line for _, lines, _ in advice for line in lines],
            "troubles": [
                {**dataclasses.asdict(trouble), "directory": str(postfix.directory)}
                for postfix, _, troubles in advice
                for trouble in troubles
            ],
            "others": found.others,
        }
        Screen().line(json.dumps(report, indent=2))
    else:
        for postfix, lines, troubles in advice:
            _show(Screen(), postfix.directory, lines, troubles)
        for folder, why in found.others.items():
            Screen().line(f"{folder} is not looked at: {clean(why)}")
    return os.EX_CONFIG if any(trouble.breaks for _, _, troubles in advice for trouble in troubles) else os.EX_OK


def _lines(postfix: Postfix, settings: Settings) -> list[str]:
    """Return the commands for one Postfix, which end in a reload if there are any."""
    directory = None if postfix.usual else postfix.directory
    lines = [setting.command(directory) for setting in plan(postfix, settings)]
    reload = shlex.join(["postfix", *(["-c", str(directory)] if directory else []), "reload"])
    return [*lines, reload] if lines else []


def _troubles(postfix: Postfix, settings: Settings) -> list[Trouble]:
    """Return what is wrong with one Postfix, what breaks mail first; its commands name the folder."""
    case, ipv4 = Case(postfix, settings), by_ipv4(own_addresses())
    found = (*check(postfix, settings), *client_rights(case, ipv4=ipv4), *blind_restrictions(case))
    placed = (dataclasses.replace(trouble, remedy=postfix.placed(trouble.remedy)) for trouble in found)
    return sorted(placed, key=lambda trouble: not trouble.breaks)


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
