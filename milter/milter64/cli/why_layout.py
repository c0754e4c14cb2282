"""What `milter64 why` shows people: the story, what sender and admin can do, or where nothing was found."""

import os
from collections.abc import Sequence

from milter64.cli.terminal_layout import Screen
from milter64.cli.why_told import Told

_COLOURS = {"accepted": "green", "rejected": "red", "greylisted": "yellow", "deferred": "yellow", "busy": "yellow"}
Fact = tuple[str, str]
_ENVELOPE = ("client", "wire", "helo", "from", "to", "queue", "session")


def show(report: Told, screen: Screen, complaints: Screen, *, in_journal: bool) -> None:
    """Write a report for people; `in_journal` says that this was read, and no files."""
    asked, events = report["asked"], report["events"]
    assert isinstance(asked, dict)
    assert isinstance(events, list)
    for trouble in report["trouble"] if isinstance(report["trouble"], list) else ():
        complaints.line(f"milter64 why: {trouble}")
    if not events:
        _nothing(report, complaints, in_journal=in_journal)
        return
    screen.title(f"What happened, by the {asked['kind']} {asked['value']}")
    if report["left_out"]:
        screen.line(f"  {report['left_out']} earlier lines are left out")
    _story(events, screen)
    if isinstance(rows := report["rows"], list) and rows:
        screen.title("What the greylist remembers")
        for row in rows:
            until = f"may pass from {row['until']} on, if it comes before {row['expires']}"
            says = (
                until if row["state"] == "waiting" else f"passed last at {row['passed']}, known until {row['expires']}"
            )
            screen.line(f"  <{row['from']}> to <{row['to']}>, {row['group']}: {says}")
    if report["sender"]:
        screen.title("What the sender should do")
        screen.line(f"  {report['sender']}")
    if isinstance(admin := report["admin"], list) and admin:
        screen.title("What the admin can do")
        for remedy in admin:
            screen.line(f"  {remedy['line']}")
            screen.line(f"      {remedy['does']}")


def _story(events: Sequence[Told], screen: Screen) -> None:
    """Write what happened; of several mails, the one that was asked about is marked."""
    if others := not all(event["asked"] for event in events):
        screen.line("  > is of the mail that was asked about; the others are of the same sender and recipient")
    before, of_asked = set[Fact](), None
    for event in events:
        if event["asked"] != of_asked:  # what is marked says all of itself
            before, of_asked = set(), event["asked"]
        before = _event(event, before, screen, "> " if others and event["asked"] else "  ")


def _event(event: Told, before: set[Fact], screen: Screen, mark: str) -> set[Fact]:
    """Write an event behind a mark, but for what the one `before` it has too, and return all of it."""
    colour = _COLOURS.get(str(event.get("observe") or event["event"]))
    says = str(event["says"])
    if event["by"] != "milter64":
        queue = f"{event['queue']}: " if event["queue"] else ""
        screen.line(f"{mark}{event['at']}  {queue}{says}")
        return before
    screen.line(f"{mark}{event['at']}  {screen.paint(says, colour) if colour else says}")
    facts: list[Fact] = [(name, str(event[name])) for name in _ENVELOPE if event.get(name)]
    if isinstance(found := event["findings"], dict) and found:
        facts.append(("findings", ", ".join(f"{name} {result}" for name, result in found.items())))
    if isinstance(rules := event["rules"], list) and rules:
        facts.append(("decided by", "; ".join(rules)))
    facts += [(name, str(event[name])) for name in ("because", "group", "reply") if event.get(name)]
    screen.table([fact for fact in facts if fact not in before], indent=6)
    return set(facts)


def _nothing(report: Told, screen: Screen, *, in_journal: bool) -> None:
    asked, looked, since = report["asked"], report["looked"], report["since"]
    assert isinstance(asked, dict)
    assert isinstance(looked, list)
    screen.line(f"milter64 why: nothing is known of the {asked['kind']} {asked['value']}")
    ours = f"{report['lines']} lines, of which {report['ours']} look like ours"
    screen.line(f"  looked in: {', '.join(looked)}{f' since {since}' if since else ''}: {ours}")
    earlier = "--since an earlier time, " if since else ""
    files = "the log's files" if in_journal else "other files"
    screen.line(f"  also try: {earlier}--log with {files}, and each of the hosts that take mail")
    if in_journal and os.geteuid():
        screen.line("  as root, or a member of the group systemd-journal, more of the journal can be read")
