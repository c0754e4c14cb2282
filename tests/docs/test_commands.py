"""Every command of README.md and docs/ works as it stands: typed on a mail host, or in a clean Debian."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.debian import Debian
from rig.lab import Lab
from rig.mailhost import MailHost
from rig.network import Namespace
from rig.nsd import Nsd
from rig.pages import EVERY, ROOT, Block, fenced, page, quoted, table, unfenced

pytestmark = pytest.mark.long

BLOCKS = [(name, block) for name, text in EVERY.items() for block in fenced(text)]
WRITTEN, SETTINGS = next(
    (block.line, block.text) for name, block in BLOCKS if name == "README.md" and block.language == "toml"
)
"""The line of README from which on there are settings, and those: of a host where README was followed up to Postfix."""

ZONES = {
    ".": """
        honest.example. TXT "v=spf1 ip4:192.31.196.10 -all"
        mail.honest.example. A 192.31.196.10
        mail.honest.example. TXT "v=spf1 a -all"
        10.196.31.192.in-addr.arpa. PTR mail.honest.example.
        ipv4only.arpa. A 192.0.0.170
        ipv4only.arpa. A 192.0.0.171
        """,
}


def each(language: str, needs: str = "") -> pytest.MarkDecorator:
    """Give a test every block of a language whose commands need that."""
    found = [(name, block) for name, block in BLOCKS if (block.language, block.needs) == (language, needs)]
    assert found
    return pytest.mark.parametrize("block", [pytest.param(b, id=f"{name}:{b.line}") for name, b in found])


# What is a command


@pytest.mark.parametrize("name", EVERY)
def test_every_block_says_what_is_in_it(name: str) -> None:
    assert unfenced(EVERY[name]) == []
    assert {block.language for block in fenced(EVERY[name])} <= LANGUAGES


LANGUAGES = {"sh", "console", "toml", "yaml", "promql", "text"}


@each("text")
def test_no_line_of_text_is_a_command(block: Block) -> None:
    words = re.findall(r"^ *(?:[A-Z_]+=\S* )*(\S+)", block.text, flags=re.MULTILINE)
    assert [word for word in words if word == "$" or shutil.which(word)] == []


def test_every_need_of_a_command_is_explained_and_no_other() -> None:
    explained = [word for cell, _ in table(page("development"), "word") for word in quoted(cell)]
    assert sorted({block.needs for _, block in BLOCKS} - {""}) == sorted(explained)


@each("sh", "systemd")
def test_what_needs_systemd_is_for_systemd(block: Block) -> None:
    assert [line for line in re.split(r"\n| && ", block.text.strip()) if not re.fullmatch(SYSTEMCTL, line)] == []


SYSTEMCTL = r"systemctl (daemon-reload|(enable --now|reload|restart|status) milter64)"


# Typed on a mail host


@pytest.fixture(scope="module")
def host() -> Iterator[MailHost]:
    with Namespace() as network, Lab() as lab:
        lab.start(Nsd, ZONES, network=network, port=53)
        yield MailHost(lab.folder, network=network, settings=SETTINGS)


@each("sh")
def test_commands_work(host: MailHost, block: Block) -> None:
    code, output = host.type(f"{block.text}\npostconf -n >/dev/null")
    warnings = re.findall(r".*\b(?:warning|error|fatal): .*", output)  # postconf goes on after most of them
    assert (code, [warning for warning in warnings if not warning.endswith(NEW_IN_3_8)]) == (0, []), output


NEW_IN_3_8 = "unused parameter: smtpd_client_ipv6_prefix_length=128"
"""All that Debian 12's Postfix doesn't know."""


@each("sh", "logged")
def test_commands_about_a_log_say_that_there_is_none_here(host: MailHost, block: Block) -> None:
    code, output = host.type(block.text)
    assert (code, "Traceback" in output) == (os.EX_UNAVAILABLE, False), output


@each("sh", "published")
def test_commands_about_what_is_published_find_problems_here_and_no_more(host: MailHost, block: Block) -> None:
    code, output = host.type(block.text)
    assert (code, "Traceback" in output) == (1, False), output


@each("console")
def test_a_command_prints_what_is_shown(host: MailHost, block: Block) -> None:
    command, _, output = block.text.removeprefix("$ ").partition("\n")
    unwritten = block.text in EVERY["README.md"] and block.line < WRITTEN
    before = "rm /etc/milter64/milter64.toml\n" if unwritten else ""
    assert list(timeless(host.type(before + command)[1])) == list(timeless(output))


def test_the_first_example_asks_nobody(host: MailHost) -> None:
    first = next(block for block in fenced(EVERY["README.md"]) if block.language == "console")
    command, _, output = first.text.removeprefix("$ ").partition("\n")
    assert host.type(f"echo nameserver {NOWHERE} >/etc/resolv.conf\n{command}") == (0, output)


NOWHERE = "192.0.2.1"


def timeless(output: str) -> Iterator[list[str]]:
    """Yield the lines by word: a longer time makes a column wider."""
    for line in output.splitlines():
        yield re.sub(r"[\d.]+ m?s\b", "some s", line).split()


# Typed in a clean Debian


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted({name for name, block in BLOCKS if block.needs == "debian"}))
def test_commands_work_on_a_clean_debian(tmp_path: Path, name: str) -> None:
    debian = Debian("bookworm", tmp_path / "root")
    debian.leave("etc/apt/apt.conf.d/99yes", 'APT::Get::Assume-Yes "true";\n')
    debian.apt("install", "git", "make", "sudo", "systemd")
    subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, debian.root / "opt/milter64"], check=True)
    for block in fenced(EVERY[name]):
        if block.needs == "debian":
            debian.run("bash", "-euo", "pipefail", "-c", f"cd /opt/milter64\n{block.text}\nmilter64 --version")
