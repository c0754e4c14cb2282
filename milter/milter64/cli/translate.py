"""`milter64 translate`: what an IPv6 address stands for, and how an IPv4 address appears behind the translators."""

import argparse
import json
import os
import sys
from collections.abc import Iterator

from milter64.address.client import Client, Origin
from milter64.address.networks import NO_SOURCE_IPV4, Networks, pack
from milter64.address.translator import Translator
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.discover.learned_by_service import teach

_NEAR = Networks(("::1/128", "fe80::/10"))
"""Addresses that nobody translates."""

Row = dict[str, str]
"""One form of an address: "address" as given, "origin", "other" (the form, empty if there is none), "via", "reason"."""

EXAMPLES = """\
  Which IPv4 client is this?
    milter64 translate 64:ff9b::c01f:c40a
  How does an IPv4 client look here, as access maps have to name it?
    milter64 translate 192.31.196.10
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "addresses", nargs="+", metavar="ADDRESS", help="an IPv6 address to decode, or an IPv4 address to encode"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    """Translate addresses both ways; what is no address is told of, and the others are translated all the same."""
    settings = load(arguments.config)
    translator = settings.translator()
    clients = map(translator.client, arguments.addresses)
    if any(each.origin is Origin.IPV6 and each.packed not in _NEAR for each in clients):  # or in a DNS64's prefix
        teach(translator, settings, lambda trouble: Screen(sys.stderr).line(f"milter64 translate: {trouble}"))
    rows: list[Row] = []
    code = os.EX_OK
    for address in arguments.addresses:
        try:
            pack(address)
        except ValueError as error:
            Screen(sys.stderr).line(f"milter64 translate: {error}")
            code = os.EX_USAGE
        else:
            rows += _decoded(translator, address) if ":" in address else _encoded(translator, settings, address)
    if arguments.json:
        Screen().line(json.dumps(rows, indent=2))
    elif rows:
        cells = [(row["address"], row["origin"], row["other"] or "-", row["reason"]) for row in rows]
        Screen().table(cells, ("ADDRESS", "ORIGIN", "OTHER FORM", "REASON"))
    return code


def _decoded(translator: Translator, address: str) -> Iterator[Row]:
    client = translator.client(address)
    other = client.address if client.packed != client.wire_packed else ""
    yield _row(address, client.origin, other, client.via, _REASONS[client.origin].format(client.via) + _defect(client))


_REASONS = {
    Origin.MAPPED: "IPv4 as a socket shows it (RFC 4291 2.5.5.2)",
    Origin.TRANSLATED: "decoded by {}",
    Origin.INVALID: "inside {}, and no legal translation: ",
    Origin.UNDECODED: "a translator's address, and no configured prefix covers it",
    Origin.MASKED: "a gateway's, which hides the client's",
    Origin.IPV6: "native IPv6: no prefix and no mapping covers it",
}


def _defect(client: Client) -> str:
    """Return what RFC 6052 has against an address inside a prefix."""
    if client.origin is not Origin.INVALID:
        return ""
    if client.packed[8] and "=" not in client.via:  # else by a mapping (RFC 7757)
        return "bits 64 to 71 are not zero (RFC 6052 2.2)"
    if client.via == "64:ff9b::/96":
        return "64:ff9b::/96 must not carry a non-global address (RFC 6052 3.1)"
    return _NO_SOURCE


_NO_SOURCE = "no IPv4 packet comes from such an address (RFC 1812 5.3.7)"


def _encoded(translator: Translator, settings: Settings, address: str) -> Iterator[Row]:
    if pack(address) in NO_SOURCE_IPV4:
        yield _row(address, Origin.IPV4, "", "", _NO_SOURCE)
        return
    forms = translator.encode(address)
    for form, via in forms:
        yield _row(address, Origin.IPV4, form, via, f"encoded by {via}")
    prefixes = settings.translation.prefixes
    if {via for _, via in forms} <= {prefix.text for prefix in prefixes}:  # else a mapping goes before all prefixes
        for prefix in prefixes:
            if prefix.encode(pack(address)) is None:
                reason = f"{prefix.text} must not carry a non-global address (RFC 6052 3.1)"
                yield _row(address, Origin.IPV4, "", prefix.text, reason)
        if not prefixes:
            yield _row(address, Origin.IPV4, "", "", "no prefix is configured, and no mapping covers it")


def _row(address: str, origin: Origin, other: str, via: str, reason: str) -> Row:
    return {"address": address, "origin": origin.value, "other": other, "via": via, "reason": reason}
