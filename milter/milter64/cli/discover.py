"""`milter64 discover`: which translators are before this host, by what evidence, and what to write into the file."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.config.problems import DEFAULT
from milter64.config.settings import Settings
from milter64.config.toml_reader import Wrong, seconds
from milter64.discover import dns64_prefix, recorded_prefixes
from milter64.discover.router_advertisement import listen
from milter64.dns.query import nameservers
from milter64.mail.clean_text import clean

Report = dict[str, Any]
"""What is told, by chapter; what `--json` prints."""

_WAIT = 4.0
"""Seconds: routers answer a solicitation within 0.5 s, and advertise every 3 s at most (RFC 4861 6.2.6)."""
_OUTBOUND = "the outbound prefix, which need not be the one that clients come from"

EXAMPLES = """\
  What belongs into [translation]? Run it as root, to hear routers too:
    milter64 discover
  The same at once, without routers:
    milter64 discover --wait 0
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=_WAIT,
        metavar="SECONDS",
        help=f"how long to wait for router advertisements, 0 for not at all; default: {_WAIT:g}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _seconds(text: str) -> float:
    try:
        return seconds(text if text[-1:].isalpha() else f"{text}s")
    except Wrong as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from error


def main(arguments: argparse.Namespace) -> int:
    """Collect the evidence and propose; nothing is written and nothing trusted."""
    settings = load(arguments.config)
    if arguments.wait and sys.stderr.isatty():
        Screen(sys.stderr).line(f"waiting {arguments.wait:g} s for router advertisements ...")
    report: Report = {
        "configured": [prefix.text for prefix in settings.translation.prefixes],
        "clients": _clients(settings),
        "dns64": list(_dns64(settings)),
        "pref64": _pref64(arguments.wait),
    }
    report |= _proposal(report)
    screen = Screen()
    if arguments.json:
        screen.line(json.dumps(report, indent=2))
    else:
        _show(report, screen, str(arguments.config or DEFAULT))
    return os.EX_OK


def _clients(settings: Settings) -> Report:
    """Return what the service has noted, the prefix of the most clients first."""
    path = recorded_prefixes.place(settings.greylist.local_store)
    if path is None:
        return {"file": "", "reason": "the greylist is not in a file, and so nothing is kept", "prefixes": []}
    try:
        sightings = recorded_prefixes.read(path).values()
    except OSError as error:
        return {"file": str(path), "reason": f"not readable: {error.strerror}", "prefixes": []}
    rows = [
        {
            "prefix": each.prefix,
            "origin": each.origin.value,
            "clients": len(each.clients),
            "or_more": len(each.clients) >= recorded_prefixes.CLIENTS,
            "example": _example(each),
            "latest": datetime.fromtimestamp(each.latest, UTC).isoformat(timespec="seconds"),
        }
        for each in sorted(sightings, key=lambda each: (-len(each.clients), -each.latest))
    ]
    return {
        "file": str(path),
        "reason": "" if rows else "the service has noted no client of a translator yet",
        "prefixes": rows,
    }


def _example(sighting: recorded_prefixes.Sighting) -> str:
    wire = min(sighting.clients)
    client = Translator([Prefix(sighting.prefix)]).client(wire)
    return f"{wire} ({client.address})" if client.address != wire else wire


def _dns64(settings: Settings) -> Iterator[Report]:
    for synthesis in dns64_prefix.survey(nameservers(settings.dns.nameservers), settings.dns.timeout):
        yield {
            "nameserver": synthesis.nameserver,
            "prefixes": [prefix.text for prefix in synthesis.prefixes],
            "forbidden": [pattern.defect for pattern in synthesis.patterns if pattern.defect],
            "addresses": list(synthesis.addresses),
            "error": synthesis.error,
        }


def _pref64(wait: float) -> Report:
    found: Report = {"waited": wait, "reason": "", "routers": []}
    if not wait:
        return found | {"reason": "not asked (--wait 0)"}
    try:
        heard = listen(wait)
    except PermissionError:
        return found | {"waited": 0, "reason": "not readable: that needs root"}
    except OSError as error:
        return found | {"waited": 0, "reason": f"not readable: {error.strerror}"}
    found["routers"] = [
        {
            "router": each.router,
            "interface": each.interface,
            "prefixes": [{"prefix": one.prefix.text, "lifetime": one.lifetime} for one in each.prefixes],
        }
        for each in heard
    ]
    return found | {"reason": "" if heard else f"no router has advertised within {wait:g} s"}


def _proposal(report: Report) -> Report:
    """Return the lines for the file: what clients came from, and, commented out, what is known of outbound alone."""
    reasons = dict.fromkeys(report["configured"], "configured; no client has been noted from it")
    for row in report["clients"]["prefixes"]:
        count = (
            f"{row['clients']}{' or more' if row['or_more'] else ''} {'client' if row['clients'] == 1 else 'clients'}"
        )
        reasons[row["prefix"]] = f"{'configured; ' if row['prefix'] in reasons else ''}{count}: {row['example']}"
    outbound = {
        **{prefix: f"DNS64 of {row['nameserver']}" for row in report["dns64"] for prefix in row["prefixes"]},
        **{
            one["prefix"]: f"PREF64 of router {row['router']}"
            for row in report["pref64"]["routers"]
            for one in row["prefixes"]
            if one["lifetime"]
        },
    }
    maybe = {prefix: why for prefix, why in outbound.items() if prefix not in reasons}
    lines = [
        "[translation]",
        "prefixes = [",
        *(f'    "{prefix}",  # {why}' for prefix, why in reasons.items()),
        *(f'    # "{prefix}",  # {why}: outbound; does it bring clients too?' for prefix, why in maybe.items()),
        "]",
    ]
    return {"proposal": {"prefixes": list(reasons), "outbound_only": list(maybe)}, "toml": "\n".join(lines)}


def _show(report: Report, screen: Screen, file: str) -> None:
    screen.title("Addresses that clients had, by the service's own records")
    if rows := report["clients"]["prefixes"]:
        _table(
            screen,
            [
                (row["prefix"], row["origin"], f"{row['clients']}{'+' * row['or_more']}", row["example"], row["latest"])
                for row in rows
            ],
            ("prefix", "taken for", "clients", "such as", "latest"),
        )
    else:
        screen.line(f"  {report['clients']['reason']}")
    screen.title(f"DNS64 (RFC 7050): {_OUTBOUND}")
    _table(
        screen,
        [
            (row["nameserver"], ", ".join(row["prefixes"]) or "-", _answer(row["addresses"], row["error"]))
            for row in report["dns64"]
        ],
        ("nameserver", "prefix", f"{dns64_prefix.NAME} AAAA"),
    )
    for defect in (defect for row in report["dns64"] for defect in row["forbidden"]):
        screen.line(f"  no prefix for milter64, nor for anybody: {clean(defect)}")
    screen.title(f"Router advertisements (RFC 8781): {_OUTBOUND}")
    rows = [
        (row["router"], row["interface"], one["prefix"], f"{one['lifetime']} s" if one["lifetime"] else "0: withdrawn")
        for row in report["pref64"]["routers"]
        for one in row["prefixes"]
    ]
    rows += [
        (row["router"], row["interface"], "-", "no PREF64")
        for row in report["pref64"]["routers"]
        if not row["prefixes"]
    ]
    if rows:
        _table(screen, rows, ("router", "interface", "prefix", "lifetime"))
    else:
        screen.line(f"  {report['pref64']['reason']}")
    known = set(report["proposal"]["prefixes"]) == set(report["configured"]) and not report["proposal"]["outbound_only"]
    so_far = ", as far as is known" if any(row["error"] for row in report["dns64"]) else ""
    screen.title(f"As {file} has it already{so_far}" if known else f"For {file}, where nothing has been changed")
    for line in report["toml"].splitlines():
        screen.line(f"  {line}")


def _answer(addresses: list[str], error: str) -> str:
    unknown = f"not known whether it synthesises: {error}" if error else ""
    return "; ".join(filter(None, [", ".join(addresses), unknown])) or "none: it doesn't synthesise"


def _table(screen: Screen, rows: list[tuple[str, ...]], head: tuple[str, ...]) -> None:
    screen.table([tuple(map(clean, row)) for row in rows], head, indent=2)
