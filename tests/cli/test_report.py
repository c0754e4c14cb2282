"""`milter64 report`: logs of every kind, and what strangers have put into them."""

import gzip
import html
import io
import json
import os
import sys
import time
from pathlib import Path

import pytest

from milter64.cli.main import main
from milter64.cli.report import found
from milter64.pages.html import page
from rig.reported import line

REFUSED = 'spf_helo=pass spf=fail iprev=pass because="spf fail: no" reply="550 5.7.23"'
FORWARDED = "<SRS0=AbCd=12=honest.example=joe@forwarder.example>"
OBSERVED = [
    *[line(at="2026-11-21T00:53:07.644Z")] * 120,
    *[line(more=f"{REFUSED} observe=rejected", at="2026-11-25T00:53:07.644Z", from_=FORWARDED)] * 6,
    line(at="2026-11-29T00:53:07.644Z"),
]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "milter64.toml"
    file.write_text('greylist.store = "memory:"\n')
    return file


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "milter64.log"
    file.write_text("".join(f"{text}\n" for text in OBSERVED))
    return file


def report(configuration: Path, *words: str) -> int:
    return main(["report", "--config", str(configuration), *words])


def test_it_says_first_what_to_do_before_enforcing(
    configuration: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(configuration, "--log", str(log)) == os.EX_OK
    lines = [" ".join(text.split()) for text in capsys.readouterr().out.splitlines()]
    at = lines.index("Judgement")
    assert lines[at + 1].startswith("warning don't enforce yet")
    assert 'milter64 allow 192.31.196.40 --spares spf --because "report: spf fail"' in lines
    assert "refused 6, 4.7%" in lines


def test_programs_get_the_same(configuration: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(configuration, "--log", str(log), "--json") == os.EX_OK
    told = json.loads(capsys.readouterr().out)
    assert list(told)[:2] == ["milter64", "schema"]
    assert (told["milter64"], told["schema"], told["mode"]) == ("report", 1, "observe")
    assert told["observed"]["rejected"] == 6
    (honest,) = told["refused"]["looks_honest"]
    assert (honest["who"], honest["lines"], honest["why"]) == ("192.31.196.40", 6, "spf fail")


def test_after_a_switch_nobody_who_was_let_in_is_said_to_have_been_refused(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = 'iprev=fail because="iprev fail: no" greylist=new wait=60 observe=greylisted'
    enforcing = [line("rejected", more=REFUSED, at="2026-11-29T09:00:00.000Z")] * 3
    (tmp_path / "both.log").write_text("\n".join([*OBSERVED, line(more=waits), *enforcing, ""]))
    words = ("--log", str(tmp_path / "both.log"))
    assert report(configuration, *words) == os.EX_OK
    lines = [" ".join(text.split()) for text in capsys.readouterr().out.splitlines()]
    at = lines.index("What became of it")
    assert lines[at + 1 : at + 5] == [
        "Of those whom observe mode let in, 6 would have been refused, 1 put off.",
        "let in 121, 92.4%",
        "refused 3, 2.3%",
        "let in by observe mode 7, 5.3%",
    ]
    assert "from let in refused let in by observe mode" in lines
    assert {"2026-11-25 00:00Z 0 0 6", "2026-11-29 06:00Z 0 3 0"} <= set(lines)
    assert "spf fail - - - 3 6" in lines
    assert "translated 121 - - - 3 - 7" in lines
    assert "What refused, or put off, or would have." in lines
    assert "Refused, or let in by observe mode, and looks honest" in lines
    assert "who times in observe mode days recipients why what speaks for them" in lines
    assert any(text.startswith("192.31.196.40 9 6 2 1 spf fail") for text in lines)
    assert "network times" in lines
    assert "of them let in by observe mode 1" in lines
    assert report(configuration, *words, "--json") == os.EX_OK
    told = json.loads(capsys.readouterr().out)
    assert (told["mode"], told["decisions"]["rejected"], told["observed"]["rejected"]) == ("enforce", 9, 6)
    assert [finding["text"] for finding in told["judgement"][1:]] == [
        "3 were refused and looked honest, beside 128 that came in (2.3%)",
        "6 of 128 that came in would be refused and look honest (4.7%)",
        "9 times, 6 of them in observe mode, mostly for spf fail",
    ]
    (honest,) = told["refused"]["looks_honest"]
    assert (honest["lines"], honest["observed"]) == (9, 6)
    assert told["greylist"]["put_off_observed"] == 1


def test_until_somebody_is_refused_all_of_before_the_switch_came_in(
    configuration: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with log.open("a") as file:
        file.write("time=2026-11-30T00:53:07.644Z level=info event=reloaded mode=enforce\n")
    assert report(configuration, "--log", str(log)) == os.EX_OK
    lines = [" ".join(text.split()) for text in capsys.readouterr().out.splitlines()]
    assert "warning it enforces, and something below needs looking after" in lines
    assert "As it would be but for observe mode: all but the abandoned came in." in lines
    assert "problem honest mail: 6 of 127 that came in would be refused and look honest (4.7%)" in lines


def test_there_is_no_why_where_all_came_in(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "accepted.log").write_text(f"{line()}\n")
    report(configuration, "--log", str(tmp_path / "accepted.log"))
    lines = capsys.readouterr().out.splitlines()
    assert "By time" in lines
    assert "Why" not in lines


@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_a_log_that_does_not_tell_the_mode_is_taken_for_one_of_the_configured(
    configuration: Path, tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration.write_text(f'mode = "{mode}"\n{configuration.read_text()}')
    (tmp_path / "accepted.log").write_text(f"{line()}\n")
    assert report(configuration, "--log", str(tmp_path / "accepted.log"), "--json") == os.EX_OK
    assert json.loads(capsys.readouterr().out)["mode"] == mode


def test_a_page_is_written(configuration: Path, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(configuration, "--log", str(log), "--html", str(tmp_path / "report.html")) == os.EX_OK
    page = (tmp_path / "report.html").read_text()
    assert "milter64 allow 192.31.196.40 --spares spf" in page
    assert capsys.readouterr().out == ""


def test_rotated_and_packed_parts_are_read_too(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = "".join(f"{text}\n" for text in OBSERVED[:100]), "".join(f"{text}\n" for text in OBSERVED[100:])
    (tmp_path / "milter64.log.2.gz").write_bytes(gzip.compress(old.encode()))
    (tmp_path / "milter64.log").write_text(new)
    assert report(configuration, "--log", str(tmp_path / "milter64.log"), "--json") == os.EX_OK
    assert sum(json.loads(capsys.readouterr().out)["decisions"].values()) == len(OBSERVED)


def test_standard_input_is_read(
    configuration: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO("\n".join(OBSERVED).encode()))))
    assert report(configuration, "--log", "-", "--json") == os.EX_OK
    assert sum(json.loads(capsys.readouterr().out)["decisions"].values()) == len(OBSERVED)


def test_of_a_file_that_is_cut_short_what_is_there_counts(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [line(session=f"{number:08x}", port=str(number * 7919 % 60_000)) for number in range(20_000)]
    packed = gzip.compress("\n".join(texts).encode())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    assert report(configuration, "--log", str(tmp_path / "cut.gz"), "--json") == os.EX_OK
    told, complaint = capsys.readouterr()
    assert 1000 < json.loads(told)["decisions"]["accepted"] < 20_000
    assert "cut.gz: " in complaint
    assert len(complaint.splitlines()) == 1


def test_a_log_that_cannot_be_read_is_named(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(configuration, "--log", str(tmp_path / "none.log")) == os.EX_UNAVAILABLE
    assert capsys.readouterr().err == f"milter64 report: {tmp_path}/none.log: No such file or directory\n"


@pytest.mark.parametrize("text", ["", "connect from unknown[192.0.2.1]", "\x00\x1b[31m{}", '{"event": 1}'])
def test_a_log_of_somebody_else_has_nothing_in_it(
    configuration: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.log").write_text(f"{text}\n")
    assert report(configuration, "--log", str(tmp_path / "other.log")) == os.EX_UNAVAILABLE
    assert "there is nothing in it that milter64 has decided" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert report(configuration, "--log", str(tmp_path / "other.log"), "--html", str(page)) == os.EX_UNAVAILABLE
    assert "there is nothing in it" in page.read_text()


def test_a_log_in_which_nothing_was_decided_is_ours_all_the_same(configuration: Path, tmp_path: Path) -> None:
    (tmp_path / "quiet.log").write_text("time=2026-11-21T00:53:07.644Z level=info event=ready mode=observe\n")
    assert report(configuration, "--log", str(tmp_path / "quiet.log")) == os.EX_OK


def test_a_line_of_a_megabyte_is_left_out_and_told(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "long.log").write_text(f"{line()}\n{'x' * 1_000_000}\n{line()}\n")
    assert report(configuration, "--log", str(tmp_path / "long.log"), "--json") == os.EX_OK
    told, complaint = capsys.readouterr()
    assert json.loads(told)["decisions"]["accepted"] == 2
    assert "1 line was longer than 65536 octets, and left out" in complaint


@pytest.mark.parametrize("more", ["--json", "text"])
def test_what_strangers_chose_comes_out_clean(
    configuration: Path, tmp_path: Path, more: str, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07<script>alert(1)</script>\x9b31m"
    fields = {"helo": f'"{evil}"', "from_": f"<{evil.replace(' ', '')}@evil.example>", "client": "\x1b[2J"}
    texts = [line("rejected", more=REFUSED, **fields), line("rejected", more=REFUSED, **(fields | {"helo": evil}))]
    warning = f'time=2026-11-21T00:53:07.644Z level=warning event="{evil}" trouble="{evil}"'
    (tmp_path / "evil.log").write_text("\n".join([*texts, warning, ""]), encoding="latin-1")
    words = [more] if more != "text" else []
    assert report(configuration, "--log", str(tmp_path / "evil.log"), *words) == os.EX_OK
    out = capsys.readouterr().out
    assert "evil.example" in out
    assert all(character == "\n" or " " <= character <= "~" for character in out)


@pytest.mark.parametrize("when", ["yesterday", "2026-13-01", "", "7 days"])
def test_a_time_that_is_none_is_said(configuration: Path, when: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        report(configuration, "--since", when)
    assert caught.value.code == os.EX_USAGE
    assert "or so long ago as 7d" in capsys.readouterr().err


def test_a_span_is_read_alone(configuration: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--since", "2026-11-22", "--until", "2026-11-28T00:00Z")
    assert report(configuration, "--log", str(log), "--json", *words) == os.EX_OK
    told = json.loads(capsys.readouterr().out)
    assert sum(told["decisions"].values()) == 6
    assert told["source"]["log"] == f"{log} since 2026-11-22 00:00:00Z until 2026-11-28 00:00:00Z"


def test_pseudonyms_are_names_too(configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sender = "<0123456789abcdef@honest.example>"
    (tmp_path / "hashed.log").write_text(f"{line('rejected', more=REFUSED, from_=sender)}\n")
    assert report(configuration, "--log", str(tmp_path / "hashed.log"), "--json") == os.EX_OK
    told = json.loads(capsys.readouterr().out)
    assert told["refused"]["by_sender"] == [{"name": sender[1:-1], "lines": 1}]
    assert "log.privacy" in [finding["about"] for finding in told["judgement"]]


def journal(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have a program in the place of journalctl."""
    fake = folder / "journalctl"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_the_page_is_of_the_journals_last_week(
    configuration: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_795_900_000.0)  # 2026-11-28T21:06:40Z
    journal(tmp_path, monkeypatch, f"echo $* >{tmp_path}/asked; cat {log}; echo it is damaged >&2; exit 1")
    document = found(configuration)
    assert (document.title, document.of) == ("Report", "the journal since 2026-11-21 21:06:40Z")
    assert "--unit=milter64.service --since=@1795295200.000000" in (tmp_path / "asked").read_text()
    shown = page(document)
    assert 'milter64 allow 192.31.196.40 --spares spf --because "report: spf fail"' in html.unescape(shown)
    assert "it is damaged" in shown  # and what could be read is there


def test_a_page_of_a_journal_that_can_not_be_read_says_so(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal(tmp_path, monkeypatch, "echo no journal files were found >&2; exit 1")
    with pytest.raises(OSError, match="no journal files were found"):
        found(configuration)


def test_who_may_not_read_the_journal_is_told_who_may(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "No journal files were opened due to insufficient permissions."  # systemd's words, on Debian 12 and 13
    journal(tmp_path, monkeypatch, f"echo '{said}' >&2; exit 1")
    assert report(configuration) == os.EX_UNAVAILABLE
    assert capsys.readouterr().err == (
        f"milter64 report: journalctl: {said} Try it as root, or as a member of the group systemd-journal.\n"
    )
