"""`milter64 why` by logs of all kinds: what a question means, what is found, and what is said where nothing is."""

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from milter64.cli import why_found
from milter64.cli.main import main
from milter64.cli.why_wanted import wanted
from milter64.config.settings import Settings
from milter64.history.lines_with import lines_with as found_by
from milter64.history.own_lines import Event, events
from milter64.telemetry.pseudonyms import Pseudonyms

WIRE, CLIENT = "64:ff9b::c01f:c428", "192.31.196.40"
OURS = (
    "time=2026-11-28T10:00:00.500Z level=info event={event} session=d26eb094 client=192.31.196.40 "
    "wire=64:ff9b::c01f:c428 port=40000 origin=translated helo=x from=<{sender}> to=<you@example.org> {more}"
)
FAIL = 'spf=fail because="spf fail: not permitted; iprev pass: a lie of the domain\'s" reply="550 5.7.23" ms=1'
TRANSLATOR = Settings().translator()


def ours(event: str = "rejected", more: str = FAIL, sender: str = "joe@honest.example") -> str:
    return OURS.format(event=event, more=more, sender=sender)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "milter64.toml"
    file.write_text(f'translation.prefixes = ["64:ff9b::/96"]\ngreylist.store = "sqlite:{tmp_path}/rows"\n')
    return file


def why(file: Path, capsys: pytest.CaptureFixture[str], what: str, *lines: str) -> tuple[int, str, str]:
    log = file.with_name("log")
    log.write_text("".join(f"{line}\n" for line in lines))
    code = main(["why", what, "--config", str(file), "--log", str(log)])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("d26eb094", "token", "d26eb094"),
        ("550 5.7.23 SPF fail: (milter64 00000000) said he (milter64 d26eb094)", "token", "d26eb094"),
        ("<you@example.org>: host mx[192.0.2.1] said:\n    450 4.7.1 x (milter64\n d26eb094)", "token", "d26eb094"),
        (f"Nov 28 10:00:00 mx milter64[1]: {ours()}", "token", "d26eb094"),
        ('{"time": "2026-11-28T10:00:00Z", "event": "x", "session": "d26eb094"}', "token", "d26eb094"),
        ("NOQUEUE: milter-reject: RCPT from x[192.0.2.1]: 550 x (milter64 d26eb094); from=<a@b>", "token", "d26eb094"),
        ("4C2B9A1F0", "queue id", "4C2B9A1F0"),
        ("4jcX6622KZzQK5H", "queue id", "4jcX6622KZzQK5H"),
        ("Nov 28 10:00:00 mx postfix/qmgr[1]: 4C2B9A1F0: removed", "queue id", "4C2B9A1F0"),
        (f"Nov 28 10:00:00 mx postfix/smtpd[1]: connect from unknown[{WIRE}]", "address", CLIENT),
        (WIRE, "address", CLIENT),
        (CLIENT, "address", CLIENT),
        (f"unknown[{WIRE}]:40000", "address", CLIENT),
        ("joe@Honest.example", "sender", "joe@honest.example"),
        ("<joe@honest.example>", "sender", "joe@honest.example"),
        ("<>", "sender", ""),
    ],
)
def test_a_question_is_whatever_a_person_has(text: str, kind: str, value: str) -> None:
    asked = wanted(text, TRANSLATOR, None)
    assert (asked.kind, asked.value) == (kind, value)


@pytest.mark.parametrize("text", ["", "hello there", "a b@c", "honest.example", "\x1b[31m"])
def test_what_is_no_question_is_refused_in_words_that_harm_no_terminal(
    file: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    code, out, err = why(file, capsys, text or " ", ours())
    assert (code, out) == (os.EX_USAGE, "")
    assert err.startswith("milter64 why: ")
    assert "is no token, queue id, address or sender" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("what", ["d26eb094", WIRE, CLIENT, "JOE@honest.example"])
def test_a_refusal_by_spf_is_told_with_a_line_that_names_nobody_who_can_be_forged(
    file: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    code, out, err = why(file, capsys, what, "Nov 28 10:00:00 mx cron[1]: x", ours())
    assert code == os.EX_OK
    assert "decided by  spf.actions.fail\n" in out  # and not what the domain pretends to be a result
    assert f"  milter64 allow {CLIENT} --spares spf\n" in out
    assert "@honest.example --" not in out
    assert err == f"milter64 why: greylist: {file.parent}/rows isn't there; the service makes it when it is started\n"


GREY = 'spf={spf} because="spf {spf}: x" greylist=waiting group={group} wait=50 reply="450 4.7.1" ms=1'


@pytest.mark.parametrize(
    ("event", "more", "line"),
    [
        ("greylisted", GREY.format(spf="softfail", group="net:192.31.196.0/24"), "milter64 allow 192.31.196.0/24"),
        ("greylisted", GREY.format(spf="pass", group="spf:honest.example"), "milter64 allow @honest.example"),
        ("greylisted", GREY.format(spf="none", group="rdns:mail.x.example"), "milter64 allow mail.x.example"),
        ("rejected", 'iprev=fail because="iprev fail: x" ms=1', f"milter64 allow {CLIENT} --spares all"),
        (
            "deferred",
            'spf=fail dmarc=temperror because="dmarc temperror: x" ms=1',
            "milter64 audit",
        ),
        ("accepted", "observe=rejected " + FAIL, f"milter64 allow {CLIENT} --spares spf"),
        ("rejected", 'block=network:listed because="block listed: x" ms=1', "milter64 list"),
        ("accepted", "spf=pass ms=1", None),
        ("rejected", 'path=unreadable because="path unreadable: x" ms=1', None),
    ],
)
def test_the_line_to_paste_is_the_one_that_helps(
    file: Path, capsys: pytest.CaptureFixture[str], event: str, more: str, line: str | None
) -> None:
    _, out, _ = why(file, capsys, "d26eb094", ours(event, more))
    pasted = [each.strip() for each in out.splitlines() if each.startswith("  milter64 ")]
    assert pasted[:1] == ([line] if line else [])


@pytest.mark.parametrize(("what", "spf"), [("d26eb094", "none"), ("joe@honest.example", "pass")])
def test_who_writes_the_same_sender_is_told_of_but_never_the_one_to_be_let_in(
    file: Path, capsys: pytest.CaptureFixture[str], what: str, spf: str
) -> None:
    again = ours("greylisted", GREY.format(spf=spf, group="net:192.31.196.0/24"))
    forged = ours("rejected", 'spf=none dnsbl=bl:listed because="dnsbl listed: x" ms=1').replace("d26eb094", "deadbeef")
    other = forged.replace(CLIENT, "192.66.66.66").replace("T10:00", "T10:05")
    _, out, _ = why(file, capsys, what, again, other, again.replace("d26eb094", "12345678").replace(".40 ", ".41 "))
    assert "      client      192.66.66.66\n" in out
    assert "allow 192.31.196" in out
    assert "allow 192.66" not in out


def test_who_could_not_be_judged_for_want_of_dns_is_not_to_be_let_in(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = 'spf=temperror because="spf temperror: no answer" reply="451 4.4.3" ms=1'
    _, out, _ = why(file, capsys, "d26eb094", ours("deferred", more))
    assert [each.strip() for each in out.splitlines() if each.startswith("  milter64 ")] == ["milter64 audit"]


def test_of_a_bounce_the_lines_of_all_other_senders_are_not_looked_at(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, others = list[bytes](), [ours(sender=f"{n}@x.example").replace("d26eb094", f"{n:08}") for n in range(50)]

    def kept(lines: Iterable[bytes]) -> Iterator[Event]:
        read.extend(lines := list(lines))
        return events(lines)

    monkeypatch.setattr(why_found, "events", kept)
    again = ours(sender="").replace("d26eb094", "12345678")
    _, out, _ = why(file, capsys, "d26eb094", ours(sender=""), *others, again)
    assert "12345678" in out
    assert b"@x.example" not in b"".join(read)


@pytest.mark.parametrize("tagged", ["prvs=1234abcdef=joe", "btv1==0123==JOE"])
def test_a_sender_is_found_behind_his_bounce_tag(file: Path, capsys: pytest.CaptureFixture[str], tagged: str) -> None:
    code, out, _ = why(file, capsys, "joe@honest.example", ours(sender=f"{tagged}@honest.example"))
    assert (code, "refused for good" in out) == (os.EX_OK, True)


def test_a_client_that_hides_behind_others_is_not_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = why(file, capsys, "d26eb094", ours().replace("origin=translated", "origin=masked"))
    assert "milter64 allow" not in out


@pytest.mark.parametrize("origin", ["undecoded", "invalid"])
def test_of_a_translators_address_it_is_said_how_its_prefix_is_found(
    file: Path, capsys: pytest.CaptureFixture[str], origin: str
) -> None:
    _, out, _ = why(file, capsys, "d26eb094", ours().replace("origin=translated", f"origin={origin}"))
    assert [each for each in out.splitlines() if each.startswith("  milter64 ")] == ["  milter64 discover"]


def test_what_strangers_wrote_harms_no_terminal_and_no_shell(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ours("greylisted", GREY.format(spf="pass", group="rdns:$(x)\x1b[2J"), "joe@$(reboot)")
    code, out, _ = why(file, capsys, "d26eb094", line)
    assert (code, "\x1b" in out) == (os.EX_OK, False)
    assert [each for each in out.splitlines() if each.startswith("  milter64 ")] == [f"  milter64 allow {CLIENT}"]


def test_a_mail_is_followed_into_rotated_logs_and_through_a_filter(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = "2026-11-28T10:00"
    given_on = "relay=127.0.0.1[127.0.0.1]:10024, status=sent (250 2.0.0 Ok: queued as 4C2B9A1F9)"
    postfix = [
        f"{at}:00.1+00:00 mx postfix/smtpd[1]: 4C2B9A1F0: client=unknown[64:ff9b::c01f:c428]",
        f"{at}:02+00:00 mx postfix/smtp[1]: 4C2B9A1F0: to=<you@example.org>, {given_on}",
        f"{at}:04+00:00 mx postfix/virtual[1]: 4C2B9A1F9: to=<you@example.org>, delay=1, status=bounced (mailbox full)",
        f"{at}:04+00:00 mx postfix/virtual[1]: 4C2B9A1FF: to=<x@y.example>, status=bounced (another's)",
    ]
    file.with_name("log.1").write_text("\n".join([*postfix[:2], ""]))
    file.with_name("log.2.gz").write_bytes(gzip.compress(f"{ours('accepted', 'queue=4C2B9A1F0 spf=pass')}\n".encode()))
    code, out, _ = why(file, capsys, "4C2B9A1F0", *postfix[2:])
    told = [line[2:].split("  ", 1)[1] for line in out.splitlines() if line.startswith("  2026")]
    assert code == os.EX_OK
    assert told == [
        "4C2B9A1F0: Postfix: client=unknown[64:ff9b::c01f:c428]",
        "let in",
        "4C2B9A1F0: Postfix delivered it to you@example.org: 250 2.0.0 Ok: queued as 4C2B9A1F9",
        "4C2B9A1F9: Postfix could not deliver it to you@example.org, and sent it back: mailbox full",
    ]


@pytest.mark.parametrize("before", [0, 1])
def test_a_refusal_that_postfix_alone_has_logged_is_told_too(
    file: Path, capsys: pytest.CaptureFixture[str], before: int
) -> None:
    theirs = (
        f"Nov 28 10:00:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[{WIRE}]: 554 5.7.1 no; "
        "from=<joe@honest.example> to=<you@example.org> proto=ESMTP helo=<x>"
    )
    what = [WIRE, "joe@honest.example"][before]
    code, out, _ = why(file, capsys, what, theirs, theirs.replace("joe@", "ann@").replace("c428", "c429"))
    assert (code, out.count("554 5.7.1 no")) == (os.EX_OK, 1)


def test_a_sender_is_found_by_his_pseudonym_if_its_key_can_be_read(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f'{file.read_text()}log.privacy = "hash"\n')
    line = ours(sender=Pseudonyms(bytes(32)).of("joe@honest.example"))
    code, _, err = why(file, capsys, "joe@honest.example", line)
    assert code == os.EX_UNAVAILABLE
    assert f"the log has pseudonyms, and their key, {file.parent}/rows.key, can't be read" in err
    assert not file.with_name("rows.key").exists()
    file.with_name("rows.key").write_bytes(bytes(32))
    code, out, _ = why(file, capsys, "joe@honest.example", line)
    assert (code, "refused for good" in out) == (os.EX_OK, True)


def test_a_greylist_in_memory_is_said_to_be_out_of_reach(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('greylist.store = "memory:"\n')
    _, _, err = why(file, capsys, "d26eb094", ours())
    assert 'greylist.store = "memory:" keeps the greylist in the service alone' in err


def test_where_nothing_is_found_it_says_where_it_has_looked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = why(file, capsys, "00000000", ours(), "another program's")
    assert (code, out) == (os.EX_UNAVAILABLE, "")
    assert f"looked in: {file.parent}/log: 2 lines, of which 1 look like ours\n" in err


def test_the_journal_is_asked_by_default(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = file.with_name("journalctl")
    fake.write_text(
        f"#!/bin/sh\necho \"$@\" >{file.parent}/asked\necho 'x mx milter64[1]: {ours('accepted', 'ms=1')}'\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(file.parent), prepend=os.pathsep)
    code = main(["why", "d26eb094", "--config", str(file), "--since", "2026-11-20", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (code, [event["event"] for event in report["events"]]) == (os.EX_OK, ["accepted"])
    asked = file.with_name("asked").read_text()
    assert "--unit=milter64 --unit=postfix* --since=@1795132800.000000" in asked


def test_a_log_that_was_given_on_standard_input_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "d26eb094", "--config", str(file), "--log", "-"]) == os.EX_USAGE
    assert "name its file" in capsys.readouterr().err


def many(number: int) -> list[str]:
    """Return so many mails of a client, each with a token and a queue id of its own, of which Postfix tells too."""
    lines = []
    for each in range(number):
        queue, at = f"4C2B9A{each:04X}", f"2026-11-28T10:{each // 60 % 60:02}:{each % 60:02}"
        line = ours("accepted", f"queue={queue}").replace("2026-11-28T10:00:00.500", f"{at}.100")
        lines += [
            line.replace("d26eb094", f"d26e{each:04x}"),
            *[f"{at}.900+00:00 mx postfix/smtp[1]: {queue}: to=<you@example.org>, status=sent (the {each}th)"] * 4,
        ]
    return lines


@pytest.mark.parametrize("what", [CLIENT, "joe@honest.example", "d26e0000", "4C2B9A0000"])
def test_of_very_many_mails_that_which_is_asked_about_and_the_latest_are_told_and_a_log_is_searched_for_few_texts(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    searched = list[int]()

    def lines_with(block: bytes, texts: frozenset[bytes], lowered: bytes) -> bytes:
        searched.append(len(texts))
        return found_by(block, texts, lowered)

    monkeypatch.setattr("milter64.cli.why_found.lines_with", lines_with)
    code, out, _ = why(file, capsys, what, *many(1000))
    assert code == os.EX_OK
    assert "Postfix delivered it to you@example.org: the 999th" in out
    assert ("Postfix delivered it to you@example.org: the 0th" in out) == what.endswith("0000")
    assert "earlier lines are left out" in out
    assert max(searched) < 150
