"""The command `milter64`: a verb for each file here."""

import argparse
import os
import signal
import sys
from collections.abc import Collection, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from milter64 import __version__
from milter64.cli.terminal_layout import Screen
from milter64.config.problems import DEFAULT, ConfigError

VERBS = {
    "run": "serve the milter protocol",
    "check-config": "say all that is wrong with a configuration",
    "translate": "decode and encode addresses with the configured prefixes",
    "why": "tell what became of a mail, why, and what to do about it",
    "explain": "show step by step how a sender would be judged",
    "allow": "let somebody in from now on",
    "block": "keep somebody out from now on",
    "forget": "take back what allow or block has said",
    "list": "show who is let in and who is kept out",
    "greylist": "show who waits and who has passed, and change that",
    "discover": "find the prefixes of the translators before this host",
    "postfix": "print the lines that tell Postfix, and check its settings",
    "neighbours": "print what has other filters see the real client",
    "cluster": "show which hosts share what they know, and how they stand",
    "report": "sum up the log, and say what to change before enforcing",
    "replay": "show what would have become of the mail in a Postfix log",
    "audit": "find what is wrong with this mail host and its network",
    "page": "show it all in a browser, for as long as this runs",
}

_MORE = """\
exit codes (sysexits.h):
  0   all is well
  1   audit finds a problem, or cluster a host that is missing or not as it
      should be
  64  the command line is not understood
  69  something that it takes is not there: run finds the socket taken,
      check-config finds no folder for it, or no rights; postfix finds no
      Postfix; allow, block and forget can't write beside the greylist, forget
      finds no such entry, list can't read a file, greylist can't read the
      greylist, write it or read an export, why finds nothing, report and replay
      no line of theirs, cluster can't ask the servers, page can't be served, or
      the file of --answers or --html can't be used
  70  a fault of its own
  78  the configuration is wrong; or, of postfix, Postfix's settings would break
      mail

read on:
  milter64 VERB --help  what a verb takes, with examples
  man 8 milter64        each verb at length, signals, files
  man 5 milter64.toml   every setting, with its default
  packaging/man/        these manuals, where no package has installed them
  README.md             how to put it before Postfix, and where all else is told
"""

_LAYOUT = partial(argparse.RawDescriptionHelpFormatter, max_help_position=32, width=80)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_USAGE, f"{self.prog}: {message}\n")


def command_line(needed: Collection[str]) -> tuple[_Parser, dict[str, _Parser]]:
    """Return the parser of all, and those of the verbs, of which the needed ones are complete.

    The module of a verb has `arguments(parser)`, which adds its own, `main(arguments) -> int`, and EXAMPLES. It is
    imported if its verb is needed: most verbs need neither libmilter nor DNS.
    """
    parser = _Parser(
        prog="milter64",
        usage="milter64 VERB ...\n       milter64 --help | --version",
        description="A milter that knows the real client behind NAT64.",
        epilog=_MORE,
        formatter_class=_LAYOUT,
    )
    parser.add_argument("--version", action="version", version=f"milter64 {__version__}")
    verbs = parser.add_subparsers(
        title="verbs",
        prog="milter64",
        description="\n".join(f"{verb:14}{purpose}" for verb, purpose in VERBS.items()),
        dest="verb",
        metavar="VERB",
        required=True,
        help=argparse.SUPPRESS,  # argparse would list them, and break lines
    )
    parsers = {}
    for verb, purpose in VERBS.items():
        description = f"{purpose[0].upper()}{purpose[1:]}."
        parsers[verb] = verb_parser = verbs.add_parser(verb, description=description, formatter_class=_LAYOUT)
        verb_parser.add_argument(
            "--config", type=Path, metavar="FILE", help=f"the configuration; default: {DEFAULT}, if it is there"
        )
        verb_parser.set_defaults(error=verb_parser.error)
        if verb in needed:
            module = import_module(f"milter64.cli.{verb.replace('-', '_')}")
            module.arguments(verb_parser)
            verb_parser.epilog = f"examples:\n{module.EXAMPLES}"
            verb_parser.set_defaults(main=module.main)
    return parser, parsers


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return an exit code of sysexits.h."""
    argv = sys.argv[1:] if argv is None else argv
    parser, _ = command_line(argv[:1])
    arguments, others = parser.parse_known_args(argv)
    if others:  # whose usage is the verb's own
        arguments.error(f"unrecognized arguments: {' '.join(others)}")
    try:
        code = int(arguments.main(arguments))
        print(end="", flush=True)  # noqa: T201  standard output may be closed
    except ConfigError as error:
        Screen(sys.stderr).problems(error)
        return os.EX_CONFIG
    except BrokenPipeError:  # as by `| head`; Python would complain again when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return os.EX_OK
    except KeyboardInterrupt:  # who pressed Ctrl-C knows why it ends
        return 128 + signal.SIGINT
    return code
