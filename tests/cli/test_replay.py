"""`milter64 replay`: what it says of bad input, how it is stopped, and that strangers' words do no harm."""

import fcntl
import gzip
import json
import os
import re
import signal
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from rig.process import Process, until
from rig.procfs import sleeps

SETTINGS = '[greylist]\nstore = "memory:"\n[dns]\nnameservers = ["127.0.0.1:9"]\n'
HEAD = "2026-11-28T02:15:18+00:00 mx postfix/"


def mail(number: int, sender: str = "joe@honest.example") -> str:
    """Return a log's lines about a message."""
    lines = (
        f"smtpd[7]: Q{number}: client=unknown[192.31.{number % 250}.20]",
        f"qmgr[8]: Q{number}: from=<{sender}>, size=812, nrcpt=1 (queue active)",
        f"lmtp[9]: Q{number}: to=<you@example.org>, relay=mx[private/lmtp], delay=0.1, dsn=2.0.0, status=sent (ok)",
    )
    return "".join(f"{HEAD}{line}\n" for line in lines)


MAILS = "".join(map(mail, range(2000)))


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "milter64.toml"
    file.write_text(SETTINGS)
    return file


def command(configuration: Path, *words: object) -> tuple[str, ...]:
    return (sys.executable, "-m", "milter64", "replay", "--config", str(configuration), *map(str, words))


def replay(configuration: Path, *words: object, code: int = os.EX_OK) -> str:
    """Return what it prints."""
    with Process(*command(configuration, *words)) as process:
        assert process.wait() == code, process.output
        return process.output


def told(output: str) -> Any:  # noqa: ANN401  as docs/json.md has it
    """Return the figures out of what was printed, behind the complaints."""
    return json.loads(output[output.index('{"milter64"') :])


def test_a_packed_log_that_is_cut_short_is_read_as_far_as_it_goes(configuration: Path, tmp_path: Path) -> None:
    log = tmp_path / "mail.log.2.gz"
    whole = gzip.compress(MAILS.encode(), compresslevel=0)
    log.write_bytes(whole[: len(whole) * 9 // 10])
    output = replay(configuration, "--json", log)
    assert re.search(r"milter64 replay: \S+/mail\.log\.2\.gz: .*(cut short|damaged)", output)
    attempts = told(output)["source"]["attempts"]
    assert 1000 < attempts < 2000


@pytest.mark.parametrize("content", ["", "Nov 28 02:15:18 mx sshd[7]: Connection closed\n", "\0\xff\n" * 100])
def test_a_log_of_another_program_gets_a_clear_word(configuration: Path, tmp_path: Path, content: str) -> None:
    log = tmp_path / "auth.log"
    log.write_text(content)
    output = replay(configuration, log, code=os.EX_UNAVAILABLE)
    assert output == f"milter64 replay: there is no line of Postfix's in {log}\n"


def test_a_replay_observes_whatever_it_comes_to(configuration: Path, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(mail(1).replace("unknown", "mail.honest.example"))
    found = told(replay(configuration, "--json", log))
    assert (found["mode"], found["decisions"]["accepted"]) == ("observe", 1)


def test_submission_is_counted_and_not_judged_unless_the_configuration_has_it_judged(
    configuration: Path, tmp_path: Path
) -> None:
    log = tmp_path / "mail.log"
    log.write_text(mail(1) + mail(2).replace(".20]", ".20], sasl_method=PLAIN, sasl_username=joe"))
    source = told(replay(configuration, "--json", log))["source"]
    assert (source["attempts"], source["authenticated"]) == (1, 1)
    assert re.search("messages of who has authenticated, and not judged +1\n", replay(configuration, log))
    configuration.write_text(f"{SETTINGS}[trust]\nauthenticated = false\n")
    source = told(replay(configuration, "--json", log))["source"]
    assert (source["attempts"], source["authenticated"]) == (2, 0)


def test_a_file_that_is_not_there_is_named_and_the_others_are_read(configuration: Path, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(MAILS)
    output = replay(configuration, "--json", tmp_path / "nowhere", log)
    assert output.startswith(f"milter64 replay: {tmp_path}/nowhere: No such file or directory\n")
    assert told(output)["source"]["attempts"] == 2000


def test_lines_of_a_megabyte_cost_themselves_alone(configuration: Path, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(mail(1) + f"{HEAD}smtpd[7]: " + "x" * 2**20 + "\n" + mail(2))
    assert told(replay(configuration, "--json", log))["source"]["attempts"] == 2


def test_nothing_of_strangers_reaches_the_terminal_or_a_page(configuration: Path, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\x1b[31m"
    log, page = tmp_path / "mail.log", tmp_path / "page.html"
    log.write_text("".join(mail(number, f'"{hostile}"@evil.example') for number in range(100)))
    configuration.write_text('[block]\nentries = ["192.31.0.0/16"]\n' + SETTINGS)
    output = replay(configuration, log)
    assert "evil.example" in output
    assert "\x1b" not in output
    replay(configuration, log, "--html", page)
    assert "<script>alert" not in page.read_text()


def test_a_file_that_holds_no_answers_is_refused_before_anything_is_read(configuration: Path, tmp_path: Path) -> None:
    log, other = tmp_path / "mail.log", tmp_path / "other.json"
    log.write_text(MAILS)
    other.write_text("{}\n")
    output = replay(configuration, log, "--answers", other, "--ask", code=os.EX_UNAVAILABLE)
    assert output == f"milter64 replay: {other}: it is no file of answers that milter64 replay has written\n"
    assert other.read_text() == "{}\n"
    assert "No such file" in replay(configuration, log, "--answers", tmp_path / "none", code=os.EX_UNAVAILABLE)


@pytest.mark.parametrize("rate", ["0", "-1", "inf", "nan", "x"])
def test_a_rate_must_be_one(configuration: Path, rate: str) -> None:
    assert "--per-second" in replay(configuration, "mail.log", "--per-second", rate, code=os.EX_USAGE)


def test_ctrl_c_gives_the_report_of_what_there_is_so_far(configuration: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    from_pipe = ("sh", "-c", 'read_from=$1; shift; exec "$@" <"$read_from"', "sh", str(pipe))
    with Process(*from_pipe, *command(configuration, "--json", "-")) as process, pipe.open("w") as log:
        for _ in range(5):
            log.write(MAILS)
        log.flush()
        until(lambda: _unread(log.fileno()) == 0, "all to be read")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == os.EX_OK, process.output
        source = told(process.output)["source"]
    assert source["stopped"] is True
    assert source["attempts"] > 2000


def test_ctrl_c_leaves_out_nothing_that_was_read(configuration: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    from_pipe = ("sh", "-c", 'read_from=$1; shift; exec "$@" <"$read_from"', "sh", str(pipe))
    with Process(*from_pipe, *command(configuration, "--json", "-")) as process, pipe.open("w") as log:
        log.write("".join(map(mail, range(200))))
        log.flush()
        until(lambda: _unread(log.fileno()) == 0 and sleeps(process.pid), "all to be read")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == os.EX_OK, process.output
        assert told(process.output)["source"]["attempts"] == 200


def _unread(pipe: int) -> int:
    """Return how many octets are in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
