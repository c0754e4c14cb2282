"""`milter64 neighbours`: what has rspamd or SpamAssassin take the client that milter64 takes, and not the wire."""

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from textwrap import fill

from milter64.address.networks import NO_SOURCE_IPV4, NON_GLOBAL_IPV4, PRIVATE, parse_network
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """The code for another program, beside this file: it knows how to decode, and its settings say what."""

    file: str
    networks: str
    """How a list is written: what it is, its name, its rows."""
    pair: str
    value: str
    """How a value is written: what it is, its name, itself."""
    words: Mapping[bool | None, str]


PROGRAMS = {
    "rspamd": _Program(
        file="neighbours_rspamd.lua",
        networks="-- {}\nlocal {} = {{\n{}}}\n",
        pair="{{{}, {}}}",
        value="-- {}\nlocal {} = {}\n",
        words={None: "nil", True: "true", False: "false"},
    ),
    "spamassassin": _Program(
        file="neighbours_spamassassin.pm",
        networks="# {}\nmy @{} = (\n{});\n",
        pair="[{}, {}]",
        value="# {}\nmy ${} = {};\n",
        words={None: "undef", True: "1", False: "0"},
    ),
}
_WIDTH = 120

EXAMPLES = """\
  A file of rules for rspamd behind milter64:
    milter64 neighbours rspamd
  A plugin for SpamAssassin, for a configuration that doesn't count yet:
    milter64 neighbours spamassassin --config new.toml
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("program", choices=PROGRAMS, metavar="PROGRAM", help="whom it is for: rspamd, or spamassassin")


def main(arguments: argparse.Namespace) -> int:
    """Print a program for the other program, made of the settings."""
    settings = load(arguments.config)
    Screen().line(written(arguments.program, settings).rstrip("\n"))
    return os.EX_OK


def written(name: str, settings: Settings) -> str:
    """Return the code for one of PROGRAMS, with the settings in it."""
    program = PROGRAMS[name]
    code = files("milter64.cli").joinpath(program.file).read_text(encoding="utf-8")
    lists = (program.networks.format(about, name, _rows(rows, program.pair)) for about, name, rows in _lists(settings))
    values = (
        program.value.format(about, name, _quoted(value) if isinstance(value, str) else program.words[value])
        for about, name, value in _values(settings)
    )
    return code.replace("@SETTINGS@\n", "".join((*lists, *values)))


_Row = str | tuple[str, str]


def _lists(settings: Settings) -> Iterator[tuple[str, str, Sequence[_Row]]]:
    """Yield what is known of networks, each with what it is; of MAPPINGS and of PREFIXES the first that fits counts."""
    explicit = sorted(settings.translation.explicit, key=lambda mapping: mapping.suffix6)
    prefixes = sorted(settings.translation.prefixes, key=lambda prefix: -prefix.length)
    trusted = map(parse_network, (*settings.trust.networks, *settings.trust.relays))
    yield "translation.explicit (RFC 7757)", "MAPPINGS", [_pair(mapping.text) for mapping in explicit]
    yield "translation.prefixes (RFC 6052)", "PREFIXES", [prefix.text for prefix in prefixes]
    yield (
        "trust.networks and trust.relays: milter64 adds nothing to what they bring, and deletes nothing",
        "TRUSTED",
        [str(network.cidr) for network in trusted if network.version == 6],  # noqa: PLR2004  IP version
    )
    yield "what no packet comes from (RFC 1812 5.3.7)", "NO_SOURCE", list(NO_SOURCE_IPV4)
    yield "what 64:ff9b::/96 must not carry (RFC 6052 3.1)", "NON_GLOBAL", list(NON_GLOBAL_IPV4)
    yield "addresses of private use", "PRIVATE", [each for each in PRIVATE if ":" not in each]


def _values(settings: Settings) -> Iterator[tuple[str, str, str | bool | None]]:
    yield (
        "milter.authserv_id, whose Authentication-Results are ours; else the mail server's own name",
        "AUTHSERV_ID",
        settings.authserv_id or None,
    )
    yield (
        "headers.authentication_results: without ours, strangers' are not deleted, and no name is taken from any",
        "NAMES",
        settings.headers.authentication_results,
    )


def _pair(text: str) -> tuple[str, str]:
    ipv4, _, ipv6 = text.partition(" = ")
    return ipv4, ipv6


def _rows(rows: Iterable[_Row], pair: str) -> str:
    cells = [_quoted(row) if isinstance(row, str) else pair.format(*map(_quoted, row)) for row in rows]
    text = ", ".join(cells) + ","
    return (
        fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False) + "\n" if cells else ""
    )


def _quoted(text: str) -> str:
    """Return a string of Lua or of Perl, in which nothing is expanded."""
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"
