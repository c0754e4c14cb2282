"""`milter64 check-config`: all that is wrong with a configuration, at once."""

import argparse
import dataclasses
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from milter64.cli.service_user import its_rights
from milter64.cli.terminal_layout import Screen
from milter64.config import list_sources, server_files
from milter64.config.contradictions import open_to_others, secrets_for_all
from milter64.config.load_file import LARGEST, load
from milter64.config.on_this_host import host_problems, library_problems
from milter64.config.problems import DEFAULT, ConfigError, Problem
from milter64.config.settings import Settings
from milter64.config.toml_reader import placed
from milter64.config.toml_writer import written
from milter64.dns.public_suffixes import suffix_list
from milter64.limits.regular_file import read
from milter64.mail.clean_text import clean
from milter64.sharing.server_url import parse

EXAMPLES = """\
  Is what you have written right?
    milter64 check-config new.toml
  What counts, the defaults too?
    milter64 check-config --print
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the same as --config")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print JSON, for programs")
    how.add_argument("--print", action="store_true", help="print the settings that count, the defaults too, as a file")


def _age() -> str:
    """Return how old the list is that tells registered domains, for the groups of the greylist; as a comment."""
    suffixes = suffix_list()
    days = (datetime.now(UTC).date() - suffixes.published).days
    return f"# Public suffix list: {suffixes.published}, {days} days old ({suffixes.path})"


def _caution(settings: Settings) -> str:
    """Return a warning of what is printed with it, if there is one to give; as a comment."""
    keys = any(each.zone and each.zone.public != each.zone.text for each in settings.dnslist)
    return "# There may be keys in the zones of DNS lists: show this to nobody.\n" if keys else ""


def _shown(settings: Settings) -> Settings:
    """Return settings without the password that a URL may have in it."""
    grey = settings.greylist
    if not grey.shared:
        return settings
    return dataclasses.replace(settings, greylist=dataclasses.replace(grey, store=parse(grey.shared).shown))


def _here(settings: Settings, file: Path) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Return what is wrong with the files that the service reads, what it lacks, and what is to be minded."""
    problems, minded = [], list[Problem]()
    text = (read(file, LARGEST) if file.exists() else b"").decode(errors="replace")
    with its_rights(settings) as user:

        def unread(key: str, path: Path, error: OSError) -> None:
            what = f"{clean(str(path))} can't be read{f' by {user}' * bool(user)}: {error.strerror}"
            if isinstance(error, PermissionError) and not user:
                minded.append(Problem(key=key, what=what, remedy="try it as root"))
            else:
                problems.append(Problem(key=key, what=what, remedy=_remedy(error, user)))

        minded += list_sources.file_problems(settings, unread)
        minded += server_files.file_problems(settings, unread)
        if file == DEFAULT and text:  # others may be tried before they are put there
            try:
                read(file, LARGEST)
            except OSError as error:
                unread("", file, error)
        lacking = list(host_problems(settings, user))
    return placed(problems, text), placed(lacking, text), [*minded, *placed(library_problems(settings), text)]


def _remedy(error: OSError, user: str) -> str:
    if isinstance(error, FileNotFoundError):
        return "make it, or take it out"
    if isinstance(error, PermissionError):
        return f"let {user} read it, as by its group and the mode 0640"
    return "name a file that can be read"


def main(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a file, or that nothing is, and what is to be minded; or print what counts."""
    path = arguments.file or arguments.config
    if arguments.print:
        settings = load(path)
        Screen().line(f"{written(_shown(settings))}\n{_caution(settings)}{_age()}")
        return os.EX_OK
    screen, error, code, warnings = Screen(), None, os.EX_OK, []
    try:
        settings = load(path)
        problems, lacking, minded = _here(settings, path or DEFAULT)
        warnings = [*open_to_others(settings), *secrets_for_all(settings, path or DEFAULT), *minded]
        if problems or lacking:
            error = ConfigError(path or DEFAULT, [*problems, *lacking])
            code = os.EX_CONFIG if problems else os.EX_UNAVAILABLE
    except ConfigError as caught:
        error, code = caught, os.EX_CONFIG
    if arguments.json:
        told = [dataclasses.asdict(problem) for problem in error.problems] if error else []
        report = {
            "file": str(path or DEFAULT),
            "valid": not told,
            "problems": told,
            "warnings": [dataclasses.asdict(warning) for warning in warnings],
        }
        screen.line(json.dumps(report, indent=2))
    elif error:
        screen.problems(error)
    elif path or DEFAULT.exists():
        screen.line(f"{clean(str(path or DEFAULT))} is valid")
    else:
        screen.line(f"{DEFAULT} is not there, and the defaults are valid")
    if not arguments.json:
        for warning in warnings:
            where = screen.paint(f"{warning.key}:{warning.line}" if warning.line else warning.key, "bold")
            screen.line(f"warning: {where}: {screen.paint(warning.what, 'yellow')}; {warning.remedy}")
    return code
