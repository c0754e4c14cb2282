"""The one-liners of contrib/README.md: each gets from a real Postfix the answer that its comment says."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.lab import Lab
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.stage import MEMORY, Stage
from rig.world import ZONES

README = Path(__file__).parents[2] / "contrib" / "README.md"
(SHELL,) = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), flags=re.DOTALL | re.MULTILINE)
ONE_LINERS = re.findall(r"(?:^#.*\n)*^# (\d{3}[\d .]*)\n((?:.*\\\n)*.*)$", SHELL, flags=re.MULTILINE)
"""Each answer with its command."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Lab() as lab:
        nsd = lab.start(Nsd, ZONES)
        milter = lab.start(Milter64, f'{MEMORY}\n[dns]\nnameservers = ["{nsd.server}"]\n')
        postfix = lab.start(
            Postfix, milters=milter.milters, virtual_mailbox_domains="example.org", myhostname="mx.example.org"
        )
        yield Stage(dns=nsd, milter=milter, postfix=postfix)


def answer(stage: Stage, command: str) -> str:
    """Return the last answer to RCPT or to the message in what swaks shows."""
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "swaks"
    port = stage.postfix.port
    if "10026" in words:
        port = stage.postfix.proxy_port
        words[words.index("10026") - 1 : words.index("10026") + 1] = []
    words[words.index("mx.example.org")] = f"127.0.0.1:{port}"
    said = subprocess.run([program, *words], capture_output=True, text=True, check=False).stdout
    before_quit = said.partition(" -> QUIT")[0]
    return str(re.findall(r"^<(?:-|\*\*|~\*) +(\d.*)$", before_quit, flags=re.MULTILINE)[-1])


def test_there_are_one_liners() -> None:
    assert len(ONE_LINERS) == SHELL.count("swaks ") == 10


@pytest.mark.parametrize(("expected", "command"), ONE_LINERS)
def test_a_one_liner_is_answered_as_its_comment_says(stage: Stage, expected: str, command: str) -> None:
    assert answer(stage, command).startswith(f"{expected} ")


def test_the_forged_header_is_gone_from_the_message(stage: Stage) -> None:
    (command,) = (command for _, command in ONE_LINERS if "Authentication-Results" in command)
    answer(stage, command)
    message = until(
        lambda: next((m for m in stage.postfix.delivered(0) if m["Delivered-To"] == "forged@example.org"), None),
        "the message",
    )
    fields = message.get_all("Authentication-Results", [])
    assert ["smtp.helo=" in fields[0], "wire 64:ff9b::c01f:c40a" in fields[1], *fields[2:]] == [True, True]
