import os
from pathlib import Path

import pytest

from milter64.audit.facts.postconf import Postfix, PostfixUnreadable, Service, read

MAIN = """
compatibility_level = {level}
mydestination = a.example,
    b.example
own = inet:127.0.0.1:8864
smtpd_milters = $own, inet:127.0.0.1:8891
"""
MASTER = """
smtp       inet  n - y - - smtpd
submission inet  n - - - - smtpd
  -o smtpd_milters=
  -o { milter_macro_daemon_name = ORI GINATING }
  -o { syslog_name=postfix/$service_name }
127.0.0.1:10025 inet n - n - - smtpd
  -o smtpd_milters=$own
  -v
pickup     unix  n - n - 1 pickup
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "main.cf", MAIN.format(level="3.6"))
    write(tmp_path / "master.cf", MASTER)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (0, 0))  # postconf too sleeps until a file is over a second old


def service(postfix: Postfix, name: str) -> Service:
    (found,) = (each for each in postfix.services if each.name == name)
    return found


def test_values_are_those_that_count_defaults_too_with_their_names_put_in(folder: Path) -> None:
    postfix = read(folder)
    assert postfix.directory == folder
    assert postfix.value("smtpd_milters") == "inet:127.0.0.1:8864, inet:127.0.0.1:8891"
    assert postfix.value("mydestination") == "a.example, b.example"
    assert postfix.value("milter_protocol") == "6"
    assert postfix.value("no_such_parameter") == ""


def test_services_are_those_of_master_cf_in_order_with_what_they_override(folder: Path) -> None:
    postfix = read(folder)
    assert [each.key for each in postfix.services] == [
        "smtp/inet",
        "submission/inet",
        "127.0.0.1:10025/inet",
        "pickup/unix",
    ]
    assert {each.name: each.command for each in postfix.services if each.command != "smtpd"} == {"pickup": "pickup"}
    submission = service(postfix, "submission")
    assert dict(submission.overrides) | {"syslog_name": ""} == {
        "smtpd_milters": "",
        "milter_macro_daemon_name": "ORI GINATING",
        "syslog_name": "",
    }
    assert postfix.value("smtpd_milters", submission) == ""
    assert postfix.value("smtpd_milters", service(postfix, "smtp")) == "inet:127.0.0.1:8864, inet:127.0.0.1:8891"
    assert postfix.value("smtpd_milters", service(postfix, "127.0.0.1:10025")) == "inet:127.0.0.1:8864"


@pytest.mark.parametrize(
    ("level", "chroots"), [("0", [True, True, False]), ("1", [True, False, False]), ("3.6", [True, False, False])]
)
def test_a_chroot_that_is_not_spelled_out_depends_on_the_compatibility_level(
    folder: Path, level: str, chroots: list[bool]
) -> None:
    write(folder / "main.cf", MAIN.format(level=level))
    postfix = read(folder)
    assert [service(postfix, name).chroot for name in ("smtp", "submission", "127.0.0.1:10025")] == chroots


def test_what_postconf_says_about_a_folder_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(PostfixUnreadable, match=r"main\.cf: No such file or directory"):
        read(tmp_path)


def test_a_machine_without_postconf_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("milter64.audit.facts.postconf.FOLDERS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostfixUnreadable, match="not installed"):
        read()


def test_a_postconf_that_fails_without_a_word_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "postconf"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PostfixUnreadable, match="ended with 3"):
        read()


def test_without_a_folder_it_is_the_one_that_postfix_names(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("MAIL_CONFIG", str(folder))
    assert read().value("smtpd_milters") == "inet:127.0.0.1:8864, inet:127.0.0.1:8891"
