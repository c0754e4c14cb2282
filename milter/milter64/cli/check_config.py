"""`milter64 check-config`: all that is wrong with a configuration, at once."""

import argparse
import dataclasses
import json
import os
from pathlib import Path

from milter64.cli.screen import Screen
from milter64.config import DEFAULT, ConfigError, load
from milter64.effective import written


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the same as --config FILE")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="for programs")
    how.add_argument("--print", action="store_true", help="print the settings that count, defaults too, as a file")


def main(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a file, or that nothing is; or print what counts."""
    path = arguments.file or arguments.config
    if arguments.print:
        Screen().line(written(load(path)).removesuffix("\n"))
        return os.EX_OK
    screen, error = Screen(), None
    try:
        load(path)
    except ConfigError as caught:
        error = caught
    if arguments.json:
        problems = [dataclasses.asdict(problem) for problem in error.problems] if error else []
        screen.line(json.dumps({"file": str(path or DEFAULT), "valid": not problems, "problems": problems}, indent=2))
    elif error:
        screen.problems(error)
    elif path or DEFAULT.exists():
        screen.line(f"{path or DEFAULT} is valid")
    else:
        screen.line(f"{DEFAULT} is not there, and the defaults are valid")
    return os.EX_CONFIG if error else os.EX_OK
