"""`milter64 cluster`: which hosts share with this one, how they stand, and the servers through which they do."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.mail.clean_text import clean
from milter64.sharing.interface import ServersGone
from milter64.sharing.keys import FORMAT
from milter64.sharing.members import ALIKE, FAR, Member, astray, own_name
from milter64.sharing.remedies import remedy
from milter64.sharing.server_url import ServerUrl, parse

if TYPE_CHECKING:
    from milter64.sharing.survey import Node, Survey

NOT_WELL = 1
"""The exit code where a host is missing, or not as it should be."""
_DAY = 86400.0
"""Seconds for which a host that is gone is shown."""
_ROLES = {"slave": "replica"}
_COLOURS = {"whole": "green", "gone": "red"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))

EXAMPLES = """\
  Do all hosts share, and do their clocks agree?
    milter64 cluster
  The same, for a program:
    milter64 cluster --json
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: argparse.Namespace) -> int:
    """Ask the servers, and say who shares."""
    settings = load(arguments.config)
    if not settings.greylist.shared:
        return _unavailable(
            "no shared store is configured",
            'name its server in greylist.store, such as "redis://192.0.2.1"; see docs/cluster.md',
        )
    url = parse(settings.greylist.shared)
    try:
        from milter64.sharing.survey import survey  # noqa: PLC0415  who shares nothing needs no library for it
    except ImportError as error:
        return _unavailable(f"redis-py can't be used: {error}", "run `apt install python3-redis`")
    try:
        found = survey(url)
    except ServersGone as gone:
        return _unavailable(
            f"{url.shown} can't be asked: {gone}",
            f"{remedy(str(gone))}; each host goes on alone meanwhile",
        )
    report = _report(url, found, own_name(settings.greylist.local_store))
    screen = Screen()
    if arguments.json:
        screen.line(json.dumps(report, indent=2))
    else:
        _show(report, screen)
    return os.EX_OK if report["well"] else NOT_WELL


def _unavailable(what: str, remedy: str) -> int:
    screen = Screen(sys.stderr)
    screen.line(f"milter64 cluster: {clean(what, 1000)}")
    screen.line(f"  {remedy}")
    return os.EX_UNAVAILABLE


def _report(url: ServerUrl, found: "Survey", own: str) -> dict[str, Any]:
    """Return what is told, and what `--json` prints."""
    hosts = [member for member in found.members if found.at - member.at < _DAY]
    troubles = list(_troubles(found, hosts, own))
    return {
        "well": not troubles,
        "url": url.shown,
        "format": found.format,
        "servers": [_server(node) for node in found.nodes],
        "hosts": [
            {
                **asdict(member),
                "state": "gone" if member.gone(found.at) else member.state,
                "here": member.host == own,
                "heard": round(max(0.0, found.at - member.at), 1),
            }
            for member in hosts
        ],
        "troubles": troubles,
    }


def _server(node: "Node") -> dict[str, Any]:
    return {
        "address": node.address,
        "role": _ROLES.get(node.role, node.role) or "unreachable",
        "software": node.software,
        "keys": node.keys,
        "memory": node.info.get("used_memory_human", ""),
        "maxmemory": node.info.get("maxmemory_human", ""),
        "trouble": node.trouble,
    }


def _troubles(found: "Survey", hosts: Sequence[Member], own: str) -> Iterator[str]:
    """Yield what is not as it should be, each with what helps."""
    for node in found.nodes:
        if node.trouble:
            yield f"{node.address} can't be asked: {node.trouble}; look whether it runs"
    if found.format not in ("", str(FORMAT)):
        yield (
            f"hosts share by format {found.format} there, and this milter64 by {FORMAT}: "
            "have all run one version, or give this one a db number of its own"
        )
    for member in hosts:
        if member.gone(found.at):
            heard = _ago(found.at - member.at)
            yield f"{member.host} was heard of last {heard} ago; once it is shut down for good, it is shown for a day"
        elif member.state != "whole":
            yield f"{member.host} lacks some of what others know, and is {member.state}: its log says if that lasts"
    if all(member.host != own or member.gone(found.at) for member in hosts):
        yield f"{own}, this host, doesn't share: is milter64 started with these settings? Its log says what it lacks"
    if clocks := astray(own, hosts):
        yield clocks


def _show(report: dict[str, Any], screen: Screen) -> None:
    screen.title(f"Servers, by {report['url']}")
    screen.table(
        (
            (
                each["address"],
                screen.paint(each["role"], "red") if each["trouble"] else each["role"],
                each["software"] or "-",
                str(each["keys"]),
                f"{each['memory'] or '-'}{_limit(each['maxmemory'])}",
            )
            for each in report["servers"]
        ),
        ("server", "role", "software", "keys", "memory"),
        indent=2,
    )
    screen.title("Hosts; rows, lists and limits are what each has told in the last minute")
    screen.table(
        (
            (
                screen.paint(each["host"], "bold") + " (here)" * each["here"],
                each["version"],
                screen.paint(each["state"], _COLOURS.get(each["state"], "yellow")),
                f"{_ago(each['heard'])} ago",
                _clock(each["offset"], screen),
                f"{each['lag']:.1f} s",
                *(str(each[what]) for what in ("rows", "lists", "limits", "waiting")),
            )
            for each in report["hosts"]
        ),
        ("name", "version", "state", "heard", "clock", "lag", "rows", "lists", "limits", "waiting"),
        indent=2,
    )
    if report["troubles"]:
        screen.title("Not as it should be")
    for trouble in report["troubles"]:
        screen.line(f"  {trouble}")


def _limit(maxmemory: str) -> str:
    return "" if maxmemory in ("", "0B") else f" of {maxmemory}"


def _clock(offset: float, screen: Screen) -> str:
    """Return by how much a host's clock is ahead of the server's."""
    text = f"{offset:+.2f} s"
    if abs(offset) <= ALIKE:
        return text
    return screen.paint(text, "yellow" if abs(offset) <= FAR else "red")


def _ago(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
