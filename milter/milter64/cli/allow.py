"""`milter64 allow`: let somebody in."""

import argparse

from milter64.cli.listing import put, put_arguments
from milter64.lists.listed import ALLOW, SPARED

EXAMPLES = """\
  Never greylist a partner, whatever host sends for his domain:
    milter64 allow @partner.example --because "ticket 12"
  Take all from a host whose SPF record is broken, for a week:
    milter64 allow 192.0.2.25 --spares all --for 7d
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    put_arguments(parser)
    parser.add_argument(
        "--spares",
        choices=list(SPARED),
        metavar="WHAT",
        help="greylist, spf or all: what is not held against them; default: greylist",
    )


def main(arguments: argparse.Namespace) -> int:
    """Have an entry count, and say what is in force now."""
    return put(ALLOW, arguments, arguments.spares)
