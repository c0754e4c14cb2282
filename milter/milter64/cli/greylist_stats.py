"""`milter64 greylist stats`: how many wait and have passed, of which networks and domains, and since when."""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any

from milter64.cli.background import read_at_length
from milter64.cli.document_layout import show
from milter64.cli.greylist_figures import AGES, SHOWN, Figures
from milter64.cli.greylist_file import opened
from milter64.cli.html_file import write
from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from milter64.config.settings import Settings
from milter64.pages import document
from milter64.pages.document import Column, Distribution, Document, Section, Shares, Table
from milter64.pages.wording import said


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Count all rows, and say what there is."""
    read_at_length()
    told, now = _counted(settings)
    screen = Screen()
    if arguments.html:
        return write(_document(told, now), arguments.html, "greylist stats")
    if arguments.json:
        screen.line(json.dumps({"milter64": "greylist stats", "schema": 1, **told}, indent=2))
    else:
        show(_document(told, now), screen)
    return os.EX_OK


def found(config: Path | None) -> Document:
    """Return the page of the greylist that a configuration's file names."""
    return _document(*_counted(load(config)))


def _counted(settings: Settings) -> tuple[dict[str, Any], float]:
    """Count all rows; return what is told of them, and when that was."""
    with opened(settings) as greylist:
        figures = Figures(greylist, settings.greylist)
        figures.count(greylist.reader.everything())
        return figures.told(), greylist.now()


_WORDS = {
    "waiting": "wait",
    "ready": "of these may pass, and have not come back yet",
    "passed": "have passed",
    "soon": "run out within a day, unless they come back",
    "unnamed": "are kept under a digest, as other hosts have told of them",
    "forgotten": "were forgotten",
    "expired": "have run out, and will be deleted",
    "earned": "networks and domains need not wait, as they have passed often",
}


def _document(told: dict[str, Any], now: float) -> Document:
    return Document(
        title="The greylist",
        of=f"{os.uname().nodename}, {said(float(told['waiting'] + told['passed']))} rows",
        made_at=now,
        sections=tuple(_sections(told)),
    )


def _sections(told: dict[str, Any]) -> Iterator[Section]:
    yield Section(
        title="Who waits, and who has passed",
        text="Each row is of a sender, a recipient, and a group that the client was in.",
        content=document.Figures(figures=tuple((words, said(float(told[name]))) for name, words in _WORDS.items())),
    )
    yield Section(
        title="Groups that they are kept by",
        content=Table(
            columns=(Column(name="group"), Column(name="rows", kind="number")),
            rows=tuple((f"{kind}:", float(rows)) for kind, rows in told["groups"].items()),
        ),
    )
    yield Section(
        title="Since when",
        content=Distribution(
            by="first seen", of="rows", edges=(0.0, *AGES, inf), counts=tuple(each["rows"] for each in told["ages"])
        ),
    )
    networks = [row for rows in told["networks"].values() for row in rows]
    if networks:
        shares = sorted(((row["network"], float(_rows(row))) for row in networks), key=lambda share: -share[1])
        yield Section(
            title="Networks with the most",
            content=Shares(by="network", of="rows", shares=tuple(shares[:SHOWN])),
        )
    for title, what, rows in (
        ("IPv4 networks", "network", told["networks"]["ipv4"]),
        ("IPv6 networks", "network", told["networks"]["ipv6"]),
        ("Domains of senders", "domain", told["domains"]),
    ):
        if rows:
            yield Section(title=f"{title} with the most, by state", content=_by_state(what, rows))


def _by_state(what: str, rows: Sequence[dict[str, Any]]) -> Table:
    columns = (Column(name=what), Column(name="waiting", kind="number"), Column(name="passed", kind="number"))
    table = tuple((row[what] or "-", float(row["waiting"]), float(row["passed"])) for row in rows)
    return Table(columns=columns, rows=table)


def _rows(row: dict[str, Any]) -> int:
    return int(row["waiting"] + row["passed"])
