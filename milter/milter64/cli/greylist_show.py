"""`milter64 greylist show`: all about a sender and a recipient, and what becomes of the next try."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping

from milter64.address import as_written
from milter64.address.client import Client
from milter64.cli.greylist_file import Misuse, Opened, opened
from milter64.cli.greylist_rows import Told, told, wanted
from milter64.cli.terminal_layout import Screen
from milter64.config.settings import Settings
from milter64.greylist.attempt import Standing, State, attempt
from milter64.greylist.pair import recipient_of, sender_of
from milter64.greylist.row import Record
from milter64.greylist.wave_through import earned, exact_network, sender_group
from milter64.mail.clean_text import clean
from milter64.sharing.shared_store import known_here

_ELSEWHERE = "net:elsewhere"
"""A network that no row is of."""
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show the rows of a pair, and where the next try would stand."""
    translator = settings.translator()
    pair = wanted(arguments, translator).pair
    if not pair:
        raise Misuse("of whom? Name a sender by --from and a recipient by --to, as the log has them")
    try:
        client = translator.client(as_written.address(arguments.client)) if arguments.client else None
    except ValueError as error:
        raise Misuse(str(error)) from error
    with opened(settings) as greylist:
        report = _report(pair, client, greylist, settings)
    screen = Screen()
    if arguments.json:
        screen.line(json.dumps({"milter64": "greylist show", "schema": 1, **report}, indent=2))
    else:
        _show(report, screen)
    return os.EX_OK


def _report(pair: str, client: Client | None, greylist: Opened, settings: Settings) -> Told:
    grey, now, kind = settings.greylist, greylist.now(), greylist.kind
    rows = known_here(greylist.reader.read, kind, pair)
    waved = sender_group(sender_of(pair)[1:-1]), exact_network(client) if client else ""
    return {
        "from": sender_of(pair)[1:-1] or None if not pair.startswith("<>") else "",
        "to": recipient_of(pair)[1:-1] or None,
        "rows": [
            {**_without_names(told((pair, group, record), grey, kind)), "says": _says(record, greylist, now)}
            for group, record in sorted(rows.items())
        ],
        "next": [_told(who, standing) for who, standing in _tries(rows, client, now, settings)],
        "waved": [
            group
            for group in waved
            if group and grey.wave_through and earned(known_here(greylist.reader.read, kind, group), now, grey)
        ],
    }


def _without_names(row: Told) -> Told:
    return {name: value for name, value in row.items() if name not in {"from", "to"}}


def _says(record: Record, greylist: Opened, now: float) -> str:
    """Return whether a row counts, in words."""
    if record.forgotten:
        return "no, it begins anew"
    return "no, it has run out" if greylist.kind.expires(record) < now else "yes"


def _tries(
    rows: Mapping[str, Record], client: Client | None, now: float, settings: Settings
) -> Iterator[tuple[str, Standing]]:
    """Yield from where a try may come, by a network and what DNS may prove, and where it would stand."""
    grey = settings.greylist
    networks = sorted(group for group in rows if group.startswith("net:"))
    if client:
        networks = [f"net:{client.network(grey.ipv4_prefix, grey.ipv6_prefix)}"]
    for network in networks:
        yield network, attempt(rows, network, frozenset, now, grey)
    for group in sorted(group for group in rows if not group.startswith("net:")):
        network = networks[0] if client else _ELSEWHERE
        yield group, attempt(rows, network, lambda group=group: frozenset({group}), now, grey)  # type: ignore[misc]
    if not client:
        yield "", attempt(rows, _ELSEWHERE, frozenset, now, grey)


def _told(who: str, standing: Standing) -> Told:
    return {"group": who or None, "state": standing.state.value, "seconds": standing.seconds}


def _show(report: Told, screen: Screen) -> None:
    screen.title("Pair")
    names = [(name, "?" if report[name] is None else clean(f"<{report[name]}>", 400)) for name in ("from", "to")]
    screen.table(names, indent=2)
    screen.title("What is remembered")
    if report["rows"]:
        table = [
            (clean(row["group"], 400), row["state"], row["since"], row["passed"] or "-", row["expires"], row["says"])
            for row in report["rows"]
        ]
        screen.table(table, ("group", "state", "since", "passed last", "runs out", "counts"), indent=2)
    else:
        screen.line("  nothing")
    screen.title("The next try, if the sender is suspect (`milter64 explain` tells whether it is)")
    screen.table([(_from(each["group"]), _becomes(each, screen)) for each in report["next"]], indent=2)
    for group in report["waved"]:
        screen.line(f"  {_from(group)}: passes without a wait, as it has passed often")


def _from(group: str | None) -> str:
    if group is None:
        return "from anywhere else"
    kind, _, name = clean(group, 400).partition(":")
    return {
        "net": f"from {name}",
        "spf": f"from where SPF of {name} passes",
        "rdns": f"from where reverse DNS proves {name}",
    }.get(kind, kind)


def _becomes(each: Told, screen: Screen) -> str:
    if each["state"] == State.PASSED:
        return screen.paint("passes", "green")
    begins = "begins anew, and " if each["state"] == State.NEW else ""
    return screen.paint(f"{begins}waits {_length(each['seconds'])}", "yellow")


def _length(seconds: float) -> str:
    for unit, name in _UNITS:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
