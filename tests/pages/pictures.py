"""Draws the pictures of docs/page.md anew: `cd tests && ../.venv/bin/python -m pages.pictures`.

They show a week that a seed has made up.
"""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from milter64.pages.document import (
    Bars,
    Column,
    Distribution,
    Document,
    Figures,
    Finding,
    Findings,
    Level,
    Section,
    Series,
    Shares,
    Table,
)
from milter64.pages.html import page
from rig.chromium import Chromium

DOCS = Path(__file__).parents[2] / "docs"
LARGEST = 150_000
"""Octets of a picture."""
_MADE_AT = 1_796_000_000.0
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WIDTH, _HEIGHT = 900, 1500


def week() -> Document:
    """Return a page of a week's mail."""
    chance = random.Random(64)
    hours = [(day, hour) for day in range(7) for hour in range(0, 24, 4)]
    busy = [(1 if 6 <= hour <= 18 else 0.3) * (0.4 if day > 4 else 1) for day, hour in hours]
    let_in, put_off, refused = (
        tuple(round(chance.gauss(mean, mean / 8) * (share if by_day else 1)) for share in busy)
        for mean, by_day in ((900, True), (120, True), (260, False))
    )
    total = sum(let_in) + sum(put_off) + sum(refused)
    findings = (
        Finding(
            level=Level.WARNING,
            about="list@lists.example.net",
            text="would be refused by its SPF fail, and looks like a mailing list",
            evidence=("214 mails to 38 recipients in 7 days", "its host has a name that leads back to it"),
            see="milter64 why list@lists.example.net",
            remedy="let it in before you enforce",
            lines=('milter64 allow list@lists.example.net --spares spf --because "a list"',),
        ),
        Finding(level=Level.GOOD, text="of those put off, 97 of 100 who came back had passed within half an hour"),
    )
    senders = tuple(
        (f"{name}@{domain}.example", chance.randint(2, 900), _MADE_AT - chance.randint(0, 500_000), why)
        for name, domain, why in (
            ("news", "shop", "spf fail"),
            ("list", "lists", "spf fail"),
            ("bounce", "forwarder", "iprev fail"),
            ("info", "partner", "greylist"),
            ("joe", "honest", "greylist"),
            ("invoice", "spammer", "DNS list"),
            ("ann", "other", "greylist"),
            ("no-reply", "bank", "spf fail"),
        )
    )
    return Document(
        title="Report",
        of="mx.example.org, seven days",
        made_at=_MADE_AT,
        sections=(
            Section(
                title="In short",
                content=Figures(
                    figures=(
                        ("mails", f"{total:,}"),
                        *(
                            (name, f"{sum(values) / total:.1%}")
                            for name, values in (("let in", let_in), ("put off", put_off), ("refused", refused))
                        ),
                    )
                ),
            ),
            Section(title="Judgement", content=Findings(findings=findings)),
            Section(
                title="Hour by hour",
                content=Bars(
                    by="from",
                    labels=tuple(f"{_DAYS[day]} {hour:02}:00" for day, hour in hours),
                    series=(
                        Series(name="let in", values=let_in),
                        Series(name="put off", values=put_off),
                        Series(name="refused", values=refused),
                    ),
                ),
            ),
            Section(
                title="Time to pass",
                content=Distribution(
                    by="from the first try on",
                    of="senders",
                    edges=(0, 60, 300, 900, 1800, 3600, 14400, 86400, float("inf")),
                    counts=(0, 410, 1240, 620, 205, 96, 41, 7),
                ),
            ),
            Section(
                title="Reasons",
                content=Shares(
                    by="reason", of="mails", shares=(("DNS list", 5210), ("spf fail", 2844), ("iprev fail", 990))
                ),
            ),
            Section(
                title="Senders",
                content=Table(
                    columns=(
                        Column(name="sender"),
                        Column(name="mails", kind="number"),
                        Column(name="last", kind="time"),
                        Column(name="why"),
                    ),
                    rows=senders,
                    more=1204,
                ),
            ),
        ),
    )


def draw(folder: Path) -> list[Path]:
    """Take the pictures of a week into a folder."""
    with TemporaryDirectory() as made, Chromium() as browser:
        file = Path(made, "page.html")
        file.write_text(page(week()))
        tab = browser.open(file.as_uri())
        pictures = []
        for name, dark in (("light", False), ("dark", True)):
            tab.look(width=_WIDTH, height=_HEIGHT, dark=dark)
            pictures.append(folder / f"page-{name}.webp")
            tab.picture(pictures[-1])
    return pictures


if __name__ == "__main__":
    draw(DOCS)
