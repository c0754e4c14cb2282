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
