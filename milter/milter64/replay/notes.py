"""What the reader of a replay has to know: what there was in the log, what it can't tell, and what was made of that."""

from typing import Literal

from milter64.pages.document import Figures, Section
from milter64.replay.traffic import Traffic

Dns = Literal["none", "kept", "asked"]
"""Where DNS's answers come from: nowhere, a file, or nameservers, maybe beside a file."""
_OF_DNS: dict[Dns, tuple[str, ...]] = {
    "none": (
        "No DNS was asked: SPF, DNS lists, senders in your lists and where HELO names lead count for nothing (--ask).",
        "For reverse DNS counts what Postfix has found of clients that came through no translator: a name, or unknown.",
    ),
    "kept": ("DNS's answers are those in the file, from when they were asked for, and not from when the mail came.",),
    "asked": ("DNS was asked as it is now: what it said when the mail came may have been something else.",),
}
_ALWAYS = (
    "The greylist is empty at the beginning, so everybody is new to it.",
    "Mail that was accepted at once wasn't sent again: whether it would have come back the log can't tell.",
    "Of accepted mail the log has no HELO name, so nothing is held against one.",
    "Whom others have refused milter64 would not have been asked about.",
    "Limits of sessions are not replayed; those of recipients are.",
)


def notes(dns: Dns, *, stopped: bool) -> list[str]:
    """Return what a replay can't tell, in sentences."""
    return [*(["It was stopped before the log's end."] if stopped else []), *_OF_DNS[dns], *_ALWAYS]


def about(traffic: Traffic, *, unreadable: int, unanswered: int, forgotten: int, said: list[str]) -> Section:
    """Return what there was in the log that isn't judged, and what the reader has to know."""
    counts = {
        **{f"refused by {by}, and not judged": count for by, count in traffic.refused.most_common()},
        "messages of who has authenticated, and not judged": traffic.authenticated,
        "clients that named no sender": traffic.silent,
        "messages without an end in the log": traffic.unfinished,
        "lines that can't be read for sure": unreadable,
        "questions that had no answer": unanswered,
        "rows of the greylist for which there was no room": forgotten,
    }
    content = Figures(figures=tuple((name, f"{count:,}") for name, count in counts.items() if count))
    return Section(title="About the log", text=" ".join(said), content=content)
