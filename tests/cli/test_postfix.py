import json
import os
from pathlib import Path

import pytest

from milter64.audit.facts.instances import Instances
from milter64.audit.facts.postconf import Postfix, PostfixUnreadable, Service
from milter64.cli.main import main


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Play a Postfix, with these values in main.cf."""
    values = {"milter_default_action": "tempfail", "milter_protocol": "6"}
    values |= dict.fromkeys(("milter_command_timeout", "milter_content_timeout"), "30s")
    service = Service(name="smtp", type="inet", chroot=True, command="smtpd", overrides={})
    postfix = Postfix(directory=Path("/etc/postfix"), main=values, services=(service,))
    monkeypatch.setattr("milter64.cli.postfix.instances", lambda _: Instances(judged=(postfix,), others={}))
    return values


@pytest.fixture(autouse=True)
def no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("milter64.config.load_file.DEFAULT", tmp_path / "none.toml")


def test_a_postfix_that_is_right_is_said_to_be_so(played: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    played["smtpd_milters"] = "inet:127.0.0.1:8864"
    assert main(["postfix"]) == os.EX_OK
    assert capsys.readouterr().out == "/etc/postfix is as it should be\n"


def test_lines_for_postfix_itself_name_no_folder_and_end_in_a_reload(
    played: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    played["smtpd_milters"] = "inet:localhost:8891"
    assert main(["postfix", "--json"]) == os.EX_CONFIG
    shown = json.loads(capsys.readouterr().out)
    assert shown["directory"] == "/etc/postfix"
    assert shown["lines"] == [
        "postconf -e 'smtpd_milters = inet:127.0.0.1:8864, inet:localhost:8891'",
        "postfix reload",
    ]
    assert [trouble.keys() for trouble in shown["troubles"]] == [{"where", "what", "remedy", "breaks", "directory"}]


def test_what_breaks_nothing_is_told_and_no_error(played: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    played |= {"smtpd_milters": "inet:127.0.0.1:8864", "milter_default_action": "accept"}
    assert main(["postfix"]) == os.EX_OK
    output = capsys.readouterr().out
    assert "/etc/postfix: 0 of 1 would break mail" in output
    assert "mind  smtp/inet milter_default_action" in output


def test_a_postfix_that_cannot_be_read_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(_: Path | None) -> Instances:
        raise PostfixUnreadable("postconf is not installed here")

    monkeypatch.setattr("milter64.cli.postfix.instances", read)
    assert main(["postfix"]) == os.EX_UNAVAILABLE
    assert capsys.readouterr() == ("", "milter64 postfix: postconf is not installed here\n")
