import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from milter64 import __version__
from milter64.cli.main import VERBS, main
from milter64.cli.terminal_layout import Screen

MEMORY = 'greylist.store = "memory:"\n'
"""Nothing that this machine would have to have."""


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.toml"
    path.write_text('mode = "obsrve"\n\n[spf]\nactoins = {}\n')
    return path


def test_a_valid_file_is_said_to_be_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "right.toml"
    path.write_text(f'mode = "observe"\n{MEMORY}')
    assert main(["check-config", str(path)]) == os.EX_OK
    assert capsys.readouterr().out == f"{path} is valid\n"


def test_all_errors_are_shown_in_columns(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(wrong)]) == os.EX_CONFIG
    assert capsys.readouterr().out.splitlines() == [
        f"{wrong}: 2 errors",
        "LINE  KEY          WHAT IS WRONG, AND ITS REMEDY",
        '1     mode         "obsrve" is not possible here',
        '                   did you mean "observe"?',
        "4     spf.actoins  unknown key",
        '                   did you mean "actions"?',
    ]


def test_the_file_may_be_named_as_for_the_other_verbs(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--config", str(wrong)]) == os.EX_CONFIG
    assert "2 errors" in capsys.readouterr().out


def test_programs_get_json(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(wrong), "--json"]) == os.EX_CONFIG
    assert json.loads(capsys.readouterr().out) == {
        "file": str(wrong),
        "valid": False,
        "problems": [
            {"key": "mode", "line": 1, "what": '"obsrve" is not possible here', "remedy": 'did you mean "observe"?'},
            {"key": "spf.actoins", "line": 4, "what": "unknown key", "remedy": 'did you mean "actions"?'},
        ],
        "warnings": [],
    }
    wrong.write_text(MEMORY)
    assert main(["check-config", str(wrong), "--json"]) == os.EX_OK
    valid = {"file": str(wrong), "valid": True, "problems": []}
    assert json.loads(capsys.readouterr().out) == {**valid, "warnings": []}
    wrong.write_text(f'{MEMORY}metrics.listen = "0.0.0.0:9864"')
    assert main(["check-config", str(wrong), "--json"]) == os.EX_OK
    report = json.loads(capsys.readouterr().out)
    assert [warning["key"] for warning in report["warnings"]] == ["metrics.listen"]


@pytest.mark.parametrize(
    ("listen", "is_open"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("[::1]", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("[::]", True),
        ("10.0.0.1", True),
    ],
)
def test_numbers_that_others_can_read_are_minded_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listen: str, *, is_open: bool
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(f'{MEMORY}metrics.listen = "{listen}:9864"')
    assert main(["check-config", str(path)]) == os.EX_OK
    valid, *warnings = capsys.readouterr().out.splitlines()
    assert valid == f"{path} is valid"
    host = listen.strip("[]")
    remedy = 'write "127.0.0.1:9864", or have a firewall let in none but Prometheus'
    assert warnings == [f"warning: metrics.listen: open to whoever reaches {host}; {remedy}"] * is_open


@pytest.mark.parametrize(
    ("socket", "host"),
    [
        ("inet:8864@0.0.0.0", "0.0.0.0"),
        ("inet:8864", "0.0.0.0"),
        ("inet6:8864@[2001:db8::25]", "2001:db8::25"),
        ("inet:8864@localhost", ""),
        ("inet:127.0.0.1:8864", ""),
        ("unix:/s", ""),
    ],
)
def test_a_socket_that_others_can_reach_is_minded_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], socket: str, host: str
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(f'{MEMORY}milter.socket = "{socket}"')
    assert main(["check-config", str(path)]) == os.EX_OK
    remedy = 'write "inet:8864@localhost", or have a firewall let in none but the mail server'
    warnings = [f"warning: milter.socket: open to whoever reaches {host}; {remedy}"] if host else []
    assert capsys.readouterr().out.splitlines() == [f"{path} is valid", *warnings]


@pytest.mark.parametrize(
    ("zone", "mode", "minded"),
    [
        ("s3cr3tk3ys3cr3tk3y.zen.dq.spamhaus.net", 0o644, True),
        ("s3cr3tk3ys3cr3tk3y.zen.dq.spamhaus.net", 0o640, False),
        ("zen.spamhaus.org", 0o644, False),
    ],
)
def test_keys_that_all_users_of_the_host_can_read_are_minded_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], zone: str, mode: int, *, minded: bool
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(f'{MEMORY}[[dnslist]]\nzone = "{zone}"\n')
    path.chmod(mode)
    assert main(["check-config", str(path)]) == os.EX_OK
    _, *warnings = capsys.readouterr().out.splitlines()
    what = "each user of this host can read the keys in the zones"
    assert warnings == [f"warning: dnslist: {what}; chgrp milter64 {path} && chmod 640 {path}"] * minded


def test_without_any_file_the_defaults_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("milter64.cli.check_config.host_problems", lambda *_: [])
    monkeypatch.setattr("milter64.config.load_file.DEFAULT", tmp_path / "none.toml")
    monkeypatch.setattr("milter64.cli.check_config.DEFAULT", tmp_path / "none.toml")
    assert main(["check-config"]) == os.EX_OK
    assert capsys.readouterr().out == f"{tmp_path}/none.toml is not there, and the defaults are valid\n"


def test_a_file_that_is_missing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(tmp_path / "none.toml")]) == os.EX_CONFIG
    assert "can't be read: No such file or directory" in capsys.readouterr().out


def test_what_counts_is_printed_as_a_file_that_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "some.toml"
    path.write_text('mode = "observe"\n[dns]\ntimeout = "1s"\n')
    assert main(["check-config", str(path), "--print"]) == os.EX_OK
    printed = capsys.readouterr().out
    assert printed.startswith('mode = "observe"\n\n[milter]\nsocket = "inet:8864@localhost"\nsocket_mode = "0660"\n')
    assert '\ntimeout = "1s"\ndeadline = "8s"\n' in printed
    assert re.search(
        r"\n\n# Public suffix list: 20\d\d-\d\d-\d\d, \d+ days old \(/.*/public_suffix_list.dat\)\n$", printed
    )
    path.write_text(printed)
    assert main(["check-config", str(path), "--print"]) == os.EX_OK
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("zone", "warned"), [("zen.spamhaus.org", False), ("s3cr3tk3ys3cr3tk3y.zen.dq.spamhaus.net", True)]
)
def test_who_prints_what_counts_is_warned_of_keys_in_it_which_can_be_loaded_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], zone: str, *, warned: bool
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(f'[[dnslist]]\nzone = "{zone}"\n')
    assert main(["check-config", str(path), "--print"]) == os.EX_OK
    printed = capsys.readouterr().out
    assert f'\n[[dnslist]]\nzone = "{zone}"\nname = ""\n' in printed
    assert ("\n# There may be keys in the zones of DNS lists: show this to nobody.\n" in printed) is warned
    path.write_text(printed)
    assert main(["check-config", str(path), "--print"]) == os.EX_OK
    assert capsys.readouterr().out == printed


def test_of_a_file_that_is_wrong_nothing_is_printed_but_what_is_wrong(
    wrong: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", str(wrong), "--print"]) == os.EX_CONFIG
    output = capsys.readouterr()
    assert output.out == ""
    assert "2 errors" in output.err


# The command itself


def test_other_verbs_say_on_standard_error_what_is_wrong(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "192.31.196.10", "--config", str(wrong)]) == os.EX_CONFIG
    output = capsys.readouterr()
    assert output.out == ""
    assert "2 errors" in output.err


@pytest.mark.parametrize("argv", [[], ["unknown"], ["allow"], ["translate", "-x", "::1"], ["-x", "translate"]])
def test_a_command_that_is_not_understood_is_a_usage_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == os.EX_USAGE
    assert capsys.readouterr().err.startswith("usage: milter64")


@pytest.mark.parametrize("argv", [["translate", "--unknown", "::1"], ["translate", "::1", "--unknown"]])
def test_a_verbs_own_usage_is_shown_with_what_it_doesnt_know(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(argv)
    usage, *_, last = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: milter64 translate [-h] [--config FILE]")
    assert last == "milter64 translate: unrecognized arguments: --unknown"


def test_every_verb_has_a_file_and_every_file_that_takes_arguments_a_verb() -> None:
    folder = Path(sys.modules["milter64.cli.main"].__file__ or "").parent
    files = {path.stem for path in folder.glob("*.py") if "def arguments(" in path.read_text()}
    assert files == {verb.replace("-", "_") for verb in VERBS}


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"milter64 {__version__}\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [str(Path(sys.executable).with_name("milter64")), "translate", "::1"]
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=buffered, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (os.EX_OK, b"")


# The screen


def terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    return Screen()


def test_there_is_colour_on_a_terminal_and_columns_stay_aligned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = terminal(monkeypatch)
    screen.table([(screen.paint("pass", "green"), "a"), ("softfail", "b")])
    assert capsys.readouterr().out == "\x1b[32mpass\x1b[0m      a\nsoftfail  b\n"


def test_there_is_none_where_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal(monkeypatch).paint("pass", "green") == "pass"


def test_there_is_none_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Screen().paint("pass", "green") == "pass"
