"""Lines of our log as figures are taken of them, and figures to compare."""

from collections.abc import Iterable
from typing import Any

from milter64.history.own_lines import events
from milter64.report.as_json import told
from milter64.report.figures import Figures
from milter64.report.reading import read

WINDOW = 48 * 3600.0


def line(
    event: str = "accepted", at: str = "2026-11-21T00:53:07.644Z", more: str = "spf=pass iprev=pass", **fields: str
) -> str:
    """Return a line as logfmt has it; `more` is what was found and decided."""
    values = {
        "session": "d26eb094",
        "client": "192.31.196.40",
        "wire": "64:ff9b::c01f:c428",
        "port": "40000",
        "origin": "translated",
        "helo": "mail.honest.example",
        "from": "<joe@honest.example>",
        "to": "<you@example.org>",
    } | {name.rstrip("_"): value for name, value in fields.items()}
    first = "queue=4FxyzQ " if event == "accepted" else ""
    shown = " ".join(f"{name}={value}" for name, value in values.items())
    return f"time={at} level=info event={event} {first}{shown} {f'{more} ' if more else ''}ms=1.2"


def figures(*lines: str, window: float = WINDOW) -> Figures:
    """Return the figures of lines."""
    return of_blocks([f"{text}\n".encode() for text in lines], window=window)


def of_blocks(blocks: Iterable[bytes], window: float = WINDOW) -> Figures:
    """Return the figures of blocks."""
    taken = Figures(window)
    read(blocks, taken)
    taken.finish()
    return taken


def slowly(lines: Iterable[str]) -> Figures:
    """Return the figures of lines of which each is read by itself."""
    taken = Figures(WINDOW)
    for at, name, fields in events((f"{text}\n".encode() for text in lines), taken.skip):
        taken.event(at, name, fields)
    taken.finish()
    return taken


def shown(taken: Figures) -> dict[str, Any]:
    """Return all that figures say, but for the time within a second."""
    whole = told("report", taken, (), source={})
    return whole | {name: whole[name] and int(whole[name]) for name in ("first_at", "last_at")}
