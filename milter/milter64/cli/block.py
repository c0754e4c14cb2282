"""`milter64 block`: keep somebody out."""

import argparse

from milter64.cli.listing import put, put_arguments
from milter64.lists.listed import BLOCK

EXAMPLES = """\
  Keep a network out for a day, over IPv4 and through the translator:
    milter64 block 192.0.2.0/24 --for 24h --because "a flood"
  Keep out all who send for a domain that SPF proves:
    milter64 block @.spammer.example
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    put_arguments(parser)


def main(arguments: argparse.Namespace) -> int:
    """Have an entry count, and say what is in force now."""
    return put(BLOCK, arguments)
