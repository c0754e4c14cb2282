"""Whatever postconf prints, it is read or a finding, and never a traceback."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from milter64.audit.facts.postconf import PostfixUnreadable, read
from milter64.audit.rules.postfix_settings import check, plan
from milter64.cli.main import main
from milter64.config.settings import Settings

NAMES = ("smtpd_milters", "queue_directory", "inet_protocols", "milter_command_timeout", "config_directory", "x")
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", "{", "}", "{ }", "{ , }", "unix:", "inet:", "inet:[::1", "9" * 5000, "inet:x:" + "9" * 5000]),
)
LINES = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(NAMES), VALUES),
    st.builds(
        "{}/{}/{} = {}".format,
        st.sampled_from(["smtp", "submission", "[::1]:10025", "", "/"]),
        st.sampled_from(["inet", "unix", "pass", ""]),
        st.sampled_from(["service", "type", "chroot", "command", *NAMES]),
        st.one_of(st.sampled_from(["smtpd", "smtp", "inet", "y", "-", ""]), VALUES),
    ),
    st.text(max_size=30),
)
OUTPUTS = st.lists(LINES, max_size=12).map("\n".join)


POSTCONF = """#!/bin/sh
case $1 in
-x) grep -av '^[^ =]*/' {0} ;;
*) grep -a '^[^ =]*/' {0} ;;
esac
true
"""
"""Tells parameters of main.cf from those with a service before them, as postconf does."""


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a postconf before the real one, which prints this file."""
    printed = tmp_path / "printed"
    program = tmp_path / "postconf"
    program.write_text(POSTCONF.format(printed))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return printed


WHOLE = "smtp/inet/service = smtp\nsmtp/inet/type = inet\nsmtp/inet/chroot = y\nsmtp/inet/command = smtpd"


@example("smtp/inet/service = smtp")
@example(f"{WHOLE}\nsmtp/inet/command =\nconfig_directory = /etc/postfix")
@example(WHOLE)
@example(f"{WHOLE}\nconfig_directory = /e\nsmtpd_milters = inet:127.0.0.1:8864\nmilter_command_timeout = {'9' * 5000}s")
@example(f"{WHOLE}\nconfig_directory = /e\nsmtpd_milters = inet:[::1, {{}}, unix:, {{ inet:x:{'9' * 5000}, = }}")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(OUTPUTS)
def test_whatever_postconf_prints_is_read_or_unreadable(output: Path, text: str) -> None:
    output.write_text(text, errors="replace")
    with suppress(PostfixUnreadable):
        postfix = read()
        plan(postfix, Settings())
        check(postfix, Settings())


ESCAPING = f"{WHOLE}\nconfig_directory = /e\nsmtpd_milters = unix:\x1b[31m, inet:127.0.0.1:8864"


@pytest.mark.parametrize("text", ["smtp/inet/service = smtp", "\x00\x1b[31m", ESCAPING, WHOLE])
def test_the_command_says_what_it_cannot_read(output: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.write_text(text)
    assert main(["postfix"]) in {os.EX_UNAVAILABLE, os.EX_CONFIG}
    out, err = capsys.readouterr()
    assert all(line.isprintable() for line in (out + err).splitlines())
