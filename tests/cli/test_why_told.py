"""What `milter64 why` tells of a mail: which setting decided, and which of several mails it was."""

import json
import os
from pathlib import Path

import pytest

from milter64.cli.main import main
from milter64.cli.why_wanted import wanted
from milter64.config.settings import Settings

CLIENT = "192.31.196.40"


def ours(
    more: str, *, event: str = "deferred", session: str = "d26eb094", client: str = CLIENT, second: int = 0
) -> str:
    """Return a line of ours, of Joe's mail to you."""
    return (
        f"time=2026-11-28T10:00:{second:02}.500Z level=info event={event} session={session} client={client} "
        f"wire={client} port=40000 origin=ipv4 helo=x from=<joe@honest.example> to=<you@example.org> {more} ms=1"
    )


def why(folder: Path, capsys: pytest.CaptureFixture[str], words: str, *lines: str) -> str:
    """Return what it writes that is asked in these words about a log."""
    (folder / "m.toml").write_text(f'greylist.store = "sqlite:{folder}/rows"\n')
    (folder / "log").write_text("".join(f"{line}\n" for line in lines))
    assert main(["why", *words.split(), "--config", f"{folder}/m.toml", "--log", f"{folder}/log"]) == os.EX_OK
    return capsys.readouterr().out


REFUSED = "rate=refused_recipients:ipv4/32"
TOO_MANY = "rate ipv4/32: too many refused recipients from 192.31.196.40/32"


@pytest.mark.parametrize(
    ("more", "rules", "line"),
    [
        (f'{REFUSED} because="{TOO_MANY}"', "rate.refused_recipients", f"allow {CLIENT}"),
        ('rate=sessions:ipv4/24 because="rate ipv4/24: too many"', "rate.sessions", f"allow {CLIENT}"),
        (f'spf=pass {REFUSED},recipients:ipv6/64 because="rate ipv6/64"', "rate.recipients", f"allow {CLIENT}"),
        (
            f'spf=fail {REFUSED} because="spf fail: no; {TOO_MANY}"',
            "spf.actions.fail; rate.refused_recipients",
            f"allow {CLIENT} --spares spf",
        ),
        (f'spf=fail because="spf fail: he says; {TOO_MANY}"', "spf.actions.fail", f"allow {CLIENT} --spares spf"),
    ],
)
def test_a_limit_is_named_by_its_setting_and_lifted_by_an_entry_that_spares_no_check_besides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, rules: str, line: str
) -> None:
    report = json.loads(why(tmp_path, capsys, "d26eb094 --json", ours(more)))
    assert "; ".join(report["events"][0]["rules"]) == rules
    assert report["admin"][0]["line"] == f"milter64 {line}"
    assert f"decided by  {rules}\n" in why(tmp_path, capsys, "d26eb094", ours(more))


@pytest.mark.parametrize("what", ["d26eb094", "D26eb094", "milter64 d26eb094", "(milter64 D26EB094)"])
def test_a_token_is_taken_as_it_stands_in_a_bounce_and_as_it_is_told_by_telephone(what: str) -> None:
    asked = wanted(what, Settings().translator(), None)
    assert (asked.kind, asked.value) == ("token", "d26eb094")


@pytest.mark.parametrize(
    ("what", "kind", "told"),
    [
        ("C4217397", "token or queue id", ["c4217397", "22222222", None]),
        ("milter64 C4217397", "token", ["c4217397"]),
        ("Nov 28 10:00:00 mx postfix/qmgr[1]: C4217397: removed", "queue id", ["22222222", None]),
    ],
)
def test_eight_digits_that_may_be_a_token_or_a_queue_id_are_looked_for_as_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, kind: str, told: list[str | None]
) -> None:
    log = [
        ours("spf=none", session="c4217397"),
        ours("spf=none", session="22222222").replace("session", "queue=C4217397 session").replace("joe@", "ann@"),
        "2026-11-28T10:00:09+00:00 mx postfix/smtp[1]: C4217397: to=<you@example.org>, status=sent (by Postfix)",
    ]
    report = json.loads(why(tmp_path, capsys, f"{what} --json", *log))
    assert report["asked"]["kind"] == kind
    assert [event.get("session") for event in report["events"]] == told


MAILS = [
    ours("queue=4C2B9A1F1 spf=none", event="accepted", client="192.0.2.1", session="11111111", second=1),
    "2026-11-28T10:00:01.9+00:00 mx postfix/smtp[1]: 4C2B9A1F1: to=<you@example.org>, status=sent (the other's)",
    ours("queue=4C2B9A1F2 spf=none", event="accepted", second=2),
    "2026-11-28T10:00:02.9Z mx postfix/smtp[1]: 4C2B9A1F2: to=<you@example.org>, status=sent (queued as 4C2B9A1F3)",
    "2026-11-28T10:00:03+00:00 mx postfix/smtp[1]: 4C2B9A1F3: to=<you@example.org>, status=sent (behind a filter)",
]


@pytest.mark.parametrize("what", ["d26eb094", "4C2B9A1F2"])
def test_of_several_mails_the_one_that_was_asked_about_is_marked_and_postfixs_lines_say_of_which_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    out = why(tmp_path, capsys, what, *MAILS)
    assert out.splitlines()[1].startswith("  > is of the mail that was asked about")
    assert [(line[:2], line[24:]) for line in out.splitlines() if line[2:6] == "2026"] == [
        ("  ", "let in"),
        ("  ", "4C2B9A1F1: Postfix delivered it to you@example.org: the other's"),
        ("> ", "let in"),
        ("> ", "4C2B9A1F2: Postfix delivered it to you@example.org: queued as 4C2B9A1F3"),
        ("> ", "4C2B9A1F3: Postfix delivered it to you@example.org: behind a filter"),
    ]
    assert out.count("      from        <joe@honest.example>\n") == 2  # and so each says all of itself
    events = json.loads(why(tmp_path, capsys, f"{what} --json", *MAILS))["events"]
    assert [event["asked"] for event in events] == [False, False, True, True, True]


@pytest.mark.parametrize(("what", "mails"), [("d26eb094", MAILS[2:]), ("joe@honest.example", MAILS)])
def test_where_all_is_of_what_was_asked_about_nothing_is_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, mails: list[str]
) -> None:
    assert ">" not in why(tmp_path, capsys, what, *mails).replace("example>", "").replace("example.org>", "")


def test_a_refusal_that_postfix_alone_has_logged_is_marked_by_its_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = (
        "2026-11-28T10:00:01+00:00 mx postfix/cleanup[1]: NOQUEUE: milter-reject: RCPT from x[192.0.2.1]: 450 4.7.1 "
        "later (milter64 d26eb094); from=<joe@honest.example> to=<you@example.org> proto=ESMTP helo=<x>"
    )
    assert "\n  2026-11-28T10:00:01Z  Postfix: milter-reject: " in why(tmp_path, capsys, "d26eb094", refused)
    [event] = json.loads(why(tmp_path, capsys, "d26eb094 --json", refused))["events"]
    assert (event["queue"], event["asked"]) == (None, True)
