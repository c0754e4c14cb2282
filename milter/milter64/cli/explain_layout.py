"""What `milter64 explain` has found out, laid out for people."""

from datetime import UTC, datetime, timedelta
from typing import Any

from milter64.cli.terminal_layout import Screen

Report = dict[str, Any]
"""What is told, by chapter; what `--json` prints."""


def show(report: Report, screen: Screen) -> None:
    """Write a report."""
    client, envelope = report["client"], report["envelope"]
    screen.title("Client")
    screen.table([(name, client[name] or "-") for name in ("wire", "address", "origin", "why", "network")], indent=2)
    screen.title("Envelope")
    screen.table(
        [("helo", envelope["helo"] or "-"), ("from", f"<{envelope['from']}>"), ("to", f"<{envelope['to']}>")], indent=2
    )
    if report["dns"]:
        screen.title("DNS")
        rows = [
            (row["check"], row["type"], row["name"], f"{row['ms']} ms", _seconds(row["ttl"]), _aliased(row))
            for row in report["dns"]
        ]
        screen.table(rows, ("for", "type", "name", "took", "ttl", "answer"), indent=2)
    if report["lists"]:
        screen.title("Lists")
        head = ("list", "by", "entry", "so", "where")
        screen.table([tuple(row[name] or "-" for name in head) for row in report["lists"]], head, indent=2)
    if report["dns_lists"]:
        screen.title("DNS lists")
        head = ("list", "about", "asked", "answer", "so")
        screen.table([tuple(row[name] or "-" for name in head) for row in report["dns_lists"]], head, indent=2)
    if report["findings"]:
        screen.title("Findings")
        columns = ("check", "property", "result", "reason")
        found = [(*(row[column] for column in columns), _seconds(row["remembered"])) for row in report["findings"]]
        screen.table(found, (*columns, "remembered for"), indent=2)
    if report["limits"]:
        screen.title("Limits")
        screen.table([(row["limit"], row["network"], row["rate"]) for row in report["limits"]], indent=2)
    _greylist(report, screen)
    _verdict(report, screen)
    if report["trouble"]:
        screen.title("Mind that")
    for trouble in report["trouble"]:
        screen.line(screen.paint(f"  {trouble}", "red"))


def _verdict(report: Report, screen: Screen) -> None:
    screen.title("Verdict")
    colour = {"accept": "green", "greylist": "yellow", "tempfail": "yellow", "reject": "red"}[report["verdict"]]
    screen.line(f"  {screen.paint(report['verdict'], colour)}")
    for rule in report["rules"]:
        screen.line(f"  by {rule}")
    screen.title("The client would see")
    if report["observe"] and report["reply"]:
        screen.line('  250, from the mail server: mode = "observe" refuses nothing; without it')
    screen.line(f"  {report['reply'] or '250, from the mail server'}")
    if report["authentication_results"]:
        screen.title("The message would get")
        for field in report["authentication_results"]:
            screen.line(f"  Authentication-Results: {field}".replace("\n", "\n    "))


def _greylist(report: Report, screen: Screen) -> None:
    if report["greylist"] or report["rows"] or report["groups"]:
        screen.title("Greylist")
    if standing := report["greylist"]:
        screen.table([(standing["state"], standing["group"], _wait(standing["seconds"]))], indent=2)
    if report["rows"]:
        kept = [(row["group"], _ago(row["since"]), _ago(row["passed"])) for row in report["rows"]]
        screen.table(kept, ("remembered", "since", "passed last"), indent=2)
    if report["groups"]:
        earned = [(row["group"], _passed(row), _ago(row["since"]), _waved(row)) for row in report["groups"]]
        screen.table(earned, ("passed so far", "recipients", "since", ""), indent=2)


def _wait(seconds: int) -> str:
    return f"{seconds} s to wait" if seconds else ""


def _passed(row: Report) -> str:
    # The recipient by whom it has been earned is not among them.
    return "enough" if row["waved"] else str(row["recipients"])


def _waved(row: Report) -> str:
    return "waved through" if row["waved"] else "not often enough to be waved through"


def _seconds(seconds: int | None) -> str:
    return "-" if seconds is None else f"{seconds} s"


def _aliased(row: Report) -> str:
    return f"{row['answer']} ({row['alias']}, by CNAME)" if row["alias"] else str(row["answer"])


def _ago(moment: str | None) -> str:
    if moment is None:
        return "-"
    age = max(datetime.now(UTC) - datetime.fromisoformat(moment), timedelta())
    return f"{moment} ({str(age).partition('.')[0]} ago)"
