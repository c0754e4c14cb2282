"""`milter64 greylist`: who waits, who has passed, and what an admin does about it."""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from milter64.cli.greylist_file import Refused
from milter64.cli.html_file import html_argument
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.mail.clean_text import clean

_ROWS = ("sender", "to", "network", "group", "waiting", "passed")
ACTIONS = {
    "list": (*_ROWS, "json"),
    "show": ("sender", "to", "client", "json"),
    "forget": (*_ROWS, "dry_run", "json"),
    "stats": ("json", "html"),
    "export": ("file",),
    "import": ("file", "allow_list", "dry_run", "json"),
}
"""What can be done, and which options it takes."""

EXAMPLES = """\
  Who waits, and until when?
    milter64 greylist list --waiting
  What is known of one that rings up, and what becomes of his next try?
    milter64 greylist show --from joe@honest.example --to you@example.org
  Have all of a network wait anew:
    milter64 greylist forget --network 192.0.2.0/24
  How many are there, of which networks?
    milter64 greylist stats
    milter64 greylist stats --html greylist.html
  Take the greylist to another host, in a file:
    milter64 greylist export --file greylist.jsonl
    milter64 greylist import --file greylist.jsonl
  Take over what postgrey knows, once it is stopped, and whom it lets in:
    milter64 greylist import --file postgrey.db
    milter64 greylist import --allow-list whitelist_clients
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help="list, show, forget, stats, export or import")
    parser.add_argument(
        "--from",
        dest="sender",
        metavar="SENDER",
        help="of list, show, forget: the sender, as logs have it, <> for the null sender; of list and forget "
        "@domain too",
    )
    parser.add_argument("--to", metavar="RECIPIENT", help="of list, show, forget: the recipient, in the same way")
    parser.add_argument(
        "--network",
        metavar="NETWORK",
        help="of list, forget: rows of that network, or of the one that an address is in, also of a translated one",
    )
    parser.add_argument(
        "--group", metavar="GROUP", help="of list, forget: rows of that group, such as spf:partner.example"
    )
    state = parser.add_mutually_exclusive_group()
    state.add_argument("--waiting", action="store_true", help="of list, forget: those that wait")
    state.add_argument("--passed", action="store_true", help="of list, forget: those that have passed")
    parser.add_argument("--client", metavar="ADDRESS", help="of show: from where the next try comes")
    parser.add_argument("--dry-run", action="store_true", help="of forget, import: change nothing, and say what would")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="of export: where to write; default: standard output; of import: what to read; default: standard input",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--allow-list",
        type=Path,
        metavar="FILE",
        help="of import: print the lines of an [allow] file for whom another greylister's list lets in",
    )
    form.add_argument("--json", action="store_true", help="print JSON, for programs")
    html_argument(form)
    parser.add_argument_group("ACTION", _ACTIONS)


_ACTIONS = """\
list                 who waits and until when, who has passed and when last
show                 all about a sender and a recipient, and what becomes of
                     the next try
forget               have those wait anew who are meant
stats                how many, of which networks and domains, and since when;
                     as a page too
export               the whole greylist as text
import               take in what export has written, or postgrey, sqlgrey or
                     milter-greylist"""


def main(arguments: argparse.Namespace) -> int:
    """Do what is asked for, if the options are its own."""
    action = arguments.action
    for other in sorted({name for names in ACTIONS.values() for name in names} - {*ACTIONS[action]}):
        if getattr(arguments, other) not in {None, False}:
            option = {"sender": "from", "dry_run": "dry-run", "allow_list": "allow-list"}.get(other, other)
            return complain(action, f"it takes no --{option}", os.EX_USAGE)
    module = import_module(f"milter64.cli.greylist_{action}")
    try:
        return int(module.run(arguments, load(arguments.config)))
    except Refused as why:
        return complain(action, str(why), why.code)


def complain(action: str, what: str, code: int) -> int:
    """Say what went wrong, and return the exit code."""
    Screen(sys.stderr).line(f"milter64 greylist {action}: {clean(what, 2000)}")
    return code
