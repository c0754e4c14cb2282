"""The command line of `milter64 why`: which logs it reads, since when, and what is said of mistakes."""

import os
import sys
from pathlib import Path

import pytest

from milter64.cli.main import main

LINE = (
    "time=2026-11-28T10:00:00.500Z level=info event=accepted session={} client=192.31.196.40 "
    "wire=192.31.196.40 port=40000 origin=ipv4 helo=x from=<joe@honest.example> to=<you@example.org> ms=1\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two logs and a configuration where one types."""
    monkeypatch.chdir(tmp_path)
    Path("m.toml").write_text(f'greylist.store = "sqlite:{tmp_path}/rows"\n')
    for name, token in (("a.log", "aaaaaaaa"), ("b.log", "bbbbbbbb")):
        Path(name).write_text(LINE.format(token))


@pytest.mark.parametrize(
    "words", ["joe@honest.example --log a.log --log b.log", "--log a.log --log b.log joe@honest.example"]
)
def test_all_logs_that_are_named_are_read_wherever_the_question_stands(
    capsys: pytest.CaptureFixture[str], words: str
) -> None:
    assert main(["why", "--config", "m.toml", *words.split()]) == os.EX_OK
    words_shown = capsys.readouterr().out.split()
    assert [each for each in words_shown if each in {"aaaaaaaa", "bbbbbbbb"}] == ["aaaaaaaa", "bbbbbbbb"]


@pytest.mark.parametrize("what", ["aaaaaaaa", "550 5.7.23 no (milter64 aaaaaaaa)"])
def test_a_second_file_behind_log_is_not_left_unread_in_silence(capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert main(["why", "--config", "m.toml", "--log", "a.log", "b.log", what]) == os.EX_USAGE
    told = "milter64 why: b.log is a file: each --log names one, so write --log before it too\n"
    assert capsys.readouterr() == ("", told)


def test_a_long_line_that_was_pasted_is_taken_for_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "--config", "m.toml", "--log", "a.log", "x" * 5000, "(milter64 aaaaaaaa)"]) == os.EX_OK
    assert "session     aaaaaaaa\n" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "said"), [("a terminal", 1), ("a file", 0)])
def test_on_a_terminal_it_says_that_it_reads_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str, said: int
) -> None:
    Path("line").write_text("aaaaaaaa\n")
    with Path("line").open() as line:
        monkeypatch.setattr(sys, "stdin", line)
        monkeypatch.setattr(line, "isatty", lambda: kind == "a terminal")
        assert main(["why", "--config", "m.toml", "--log", "a.log"]) == os.EX_OK
    assert capsys.readouterr().err.count("Reading standard input: paste a token") == said


POSTFIX = "{}+00:00 mx postfix/smtp[1]: 4C2B9A1F0: to=<you@example.org>, status=sent (to {})\n"
EVERYTHING = "aaaaaaaa old new"


@pytest.mark.parametrize(
    ("since", "shown"), [("2026-11-28T09:59Z", EVERYTHING), ("2026-11-28T10:00:01Z", "new"), ("36500d", EVERYTHING)]
)
def test_what_a_file_has_of_before_since_is_left_out(
    capsys: pytest.CaptureFixture[str], since: str, shown: str
) -> None:
    line = LINE.format("aaaaaaaa").replace(" session", " queue=4C2B9A1F0 session")
    old, new = POSTFIX.format("2026-11-28T10:00:00.9", "old"), POSTFIX.format("2026-11-28T10:00:01", "new")
    Path("a.log").write_text(f"{line}{old}{new}")
    assert main(["why", "--config", "m.toml", "--since", since, "4C2B9A1F0", "--log", "a.log"]) == os.EX_OK
    words = capsys.readouterr().out.replace(")", " ").split()
    assert [each for each in words if each in {"aaaaaaaa", "old", "new"}] == shown.split()


@pytest.mark.parametrize("verb", ["why x@y.example", "report"])
def test_what_is_no_time_is_told_in_the_same_way_as_by_report(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*verb.split(), "--since", "yesterday"])
    assert caught.value.code == os.EX_USAGE
    assert "yesterday is no time; write 2027-01-31, or" in (told := capsys.readouterr().err)
    assert told.endswith("; or so long ago as 7d\n")


@pytest.mark.parametrize(
    ("words", "where", "hint"),
    [
        ("--log a.log", "a.log", "--log with other files, and"),
        ("--log a.log --since 36500d", "a.log since 19", "--since an earlier time, --log with other files, and"),
        ("", "the journal since 20", "--since an earlier time, --log with the log's files, and"),
    ],
)
def test_where_nothing_is_found_what_is_advised_can_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, where: str, hint: str
) -> None:
    monkeypatch.setattr("milter64.cli.why.journal", lambda *_, **__: iter([b"a line\n"]))
    assert main(["why", "--config", "m.toml", "00000000", *words.split()]) == os.EX_UNAVAILABLE
    told = capsys.readouterr().err
    assert f"  looked in: {where}" in told
    assert f"  also try: {hint} each of the hosts that take mail\n" in told


@pytest.mark.parametrize(("user", "words", "said"), [(0, "", 0), (1000, "", 1), (1000, "--log a.log", 0)])
def test_who_can_read_more_of_the_journal_is_said_to_who_has_read_less_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, user: int, words: str, said: int
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr("milter64.cli.why.journal", lambda *_, **__: iter([]))
    assert main(["why", "--config", "m.toml", "00000000", *words.split()]) == os.EX_UNAVAILABLE
    assert capsys.readouterr().err.count("as root, or a member of the group systemd-journal, more of") == said
