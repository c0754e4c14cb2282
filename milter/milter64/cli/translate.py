"""`milter64 translate`: what an IPv6 address stands for, and how an IPv4 address appears behind the translators."""

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from milter64.address.client import Origin
from milter64.cli.cidr_table import translated
from milter64.cli.terminal_layout import Screen
from milter64.cli.translate_forms import Forms, Row
from milter64.config.load_file import load

EXAMPLES = """\
  Which IPv4 client is this?
    milter64 translate 'unknown[64:ff9b::c01f:c40a]'
  How does an IPv4 network look here, as access maps have to name it?
    milter64 translate 192.31.196.0/24
  And all that a map names? Its actions and comments stay.
    milter64 translate <clients.cidr
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "addresses",
        nargs="*",
        metavar="ADDRESS",
        help="an IPv6 address or network to decode, or one of IPv4 to encode; default: what the lines of standard "
        "input begin with",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    """Translate both ways; what is no address is told of, and the others are translated all the same."""
    known = _Known(Forms(load(arguments.config), _warn))
    if arguments.addresses:
        rows = [row for text in arguments.addresses for row in known.rows(text)]
        if not arguments.json and rows:
            cells = [(row["address"], row["origin"], row["other"] or "-", row["reason"]) for row in rows]
            Screen().table(cells, ("ADDRESS", "ORIGIN", "OTHER FORM", "REASON"))
    elif not sys.stdin or sys.stdin.isatty():
        known.refuse("name an address or a network, or give some on standard input")
        rows = []
    else:
        rows = _translate_input(known, told=not arguments.json)
    if arguments.json:
        import json  # noqa: PLC0415  people don't need it

        Screen().line(json.dumps(rows, indent=2))
    return known.code


def _warn(what: str) -> None:
    Screen(sys.stderr).line(f"milter64 translate: {what}")


class _Known:
    """What is known of each address so far; `code` is what the verb exits with."""

    def __init__(self, forms: Forms) -> None:
        self.code = os.EX_OK
        self.found: dict[str, list[Row]] = {}
        self._forms = forms

    def refuse(self, why: str) -> None:
        """Say what can't be done."""
        _warn(why)
        self.code = os.EX_USAGE

    def rows(self, text: str) -> list[Row]:
        """Return the forms of an address or a network, none for what is neither."""
        if text not in self.found:
            try:
                self.found[text] = self._forms.rows(text)
            except ValueError as error:
                self.found[text] = []
                self.refuse(str(error))
        return self.found[text]


def _translate_input(known: _Known, *, told: bool) -> list[Row]:
    """Write standard input with the other forms of each address in its place; what has none stays."""
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")  # comments may be in any encoding
    for text in translated(sys.stdin, lambda pattern: _others(known.rows(pattern))):
        if told:
            sys.stdout.write(text)
    rows = [row for found in known.found.values() for row in found]
    if told:
        for pattern, found in known.found.items():
            if found and not _others(found) and found[0]["origin"] != Origin.IPV6:
                _warn(f"{pattern} stays as it is: {found[0]['reason']}")
        decoded = [row["address"] for row in rows if row["other"] and row["origin"] != Origin.IPV4]
        if decoded and any(row["other"] and row["origin"] == Origin.IPV4 for row in rows):
            _warn(f"IPv4 was encoded, and what was in wire form before is IPv4 now: {', '.join(decoded)}")
    return rows


def _others(rows: Sequence[Row]) -> list[str]:
    return [row["other"] for row in rows if row["other"]]
