"""A document with one of everything, and with the words of strangers who mean ill."""

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

HOSTILE = "<img src=x onerror=alert(1)>\"'&</title></svg><script>alert(2)</script>\x1b[31m\u202e"
"""What markup, attributes, SVG and terminals would take for theirs."""

TABLE = Table(
    columns=(
        Column(name="sender"),
        Column(name="mails", kind="number"),
        Column(name="first seen", kind="time"),
        Column(name="waited", kind="duration"),
    ),
    rows=(
        ("joe@honest.example", 1200, 1780000000.0, 300.0),
        (HOSTILE, 9, 1780003600.0, 86400.0),
        ("ann@other.example", 80, None, 60.0),
    ),
    more=12,
)
FIGURES = Figures(figures=(("mails", "1,289"), ("put off", "310, a quarter")))
BARS = Bars(
    by="hour",
    labels=("00", "01", "02"),
    series=(Series(name="let in", values=(8, 4, 0)), Series(name="refused", values=(8, 0, 1))),
)
DISTRIBUTION = Distribution(by="time to pass", of="senders", edges=(0, 300, 3600, float("inf")), counts=(2, 40, 5))
SHARES = Shares(by="reason", of="mails", shares=(("spf fail", 30), (HOSTILE, 10)), more=3)
FINDINGS = Findings(
    findings=(
        Finding(level=Level.GOOD, text="nobody waits for more than an hour"),
        Finding(
            level=Level.PROBLEM,
            about=HOSTILE,
            text="would be refused, and looks honest",
            evidence=("30 mails", "each with a list's header"),
            see="milter64 why list@honest.example",
            remedy="let it in",
            lines=("milter64 allow sender  list@honest.example",),
        ),
    )
)
DOCUMENT = Document(
    title="Report",
    of="mx.example.org, a day",
    made_at=1780000000.0,
    sections=(
        Section(title="In short", content=FIGURES),
        Section(title="By hour", text="What was said, hour by hour.", content=BARS),
        Section(title="Time to pass", content=DISTRIBUTION),
        Section(title="Reasons", content=SHARES),
        Section(title="Senders", content=TABLE),
        Section(title="Judgement", content=FINDINGS),
        Section(title="Nothing else", text="There is nothing else."),
    ),
)
