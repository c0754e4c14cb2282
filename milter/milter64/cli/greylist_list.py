"""`milter64 greylist list`: who waits and until when, who has passed and when last."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain

from milter64.cli.background import read_at_length
from milter64.cli.greylist_file import opened
from milter64.cli.greylist_rows import HEAD, Told, cells, told, wanted
from milter64.cli.terminal_layout import Screen
from milter64.config.settings import Settings


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show the rows that are meant, in the order in which they were begun."""
    read_at_length()
    meant = wanted(arguments, settings.translator())
    with opened(settings) as greylist:
        found = meant.rows(greylist.reader, greylist.kind, greylist.now())
        show((told(row, settings.greylist, greylist.kind) for row in found), "list", as_json=arguments.json)
    return os.EX_OK


def show(rows: Iterable[Told], action: str, *, as_json: bool) -> int:
    """Write rows as they come, and return how many there are."""
    screen, counts = Screen(), {"all": 0, "unnamed": 0}

    def counted() -> Iterator[Told]:
        for row in rows:
            counts["all"] += 1
            counts["unnamed"] += row["from"] is None
            yield row

    if as_json:
        for row in counted():
            screen.line(json.dumps({"milter64": f"greylist {action}", "schema": 1, **row}))
        return counts["all"]
    of_all = counted()
    if first := next(of_all, None):
        screen.table((cells(row, screen) for row in chain([first], of_all)), HEAD)
    else:
        screen.line("nobody that is meant waits or has passed")
    if counts["unnamed"]:
        Screen(sys.stderr).line(
            f"{counts['unnamed']} with a ? for their names are kept under a digest: they came from other hosts, or are "
            "very long. Some may be listed with their names as well. --from and --to together find them."
        )
    return counts["all"]
