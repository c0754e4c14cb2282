"""docs/cluster.md: its server is set up as it says, and shows what it shows."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.sharing.rights import RIGHTS
from rig.direct import Message
from rig.lab import Lab
from rig.network import HERE, Namespace
from rig.pages import blocks, fenced, page
from rig.process import until
from rig.redis import Redis
from rig.service import Milter64
from rig.world import NAMELESS, behind

CLUSTER = page("cluster")
SETTINGS, SHOWN = blocks(CLUSTER, "text")
(COMMANDS,) = [block.text for block in fenced(CLUSTER) if block.needs == "redis"]


@pytest.fixture
def network() -> Iterator[Namespace]:
    with Namespace() as network:
        network.run("ip", "address", "add", "192.0.2.10/32", "dev", "lo")
        yield network


def test_the_rights_are_those_that_milter64_needs() -> None:
    words = COMMANDS.replace("\\\n", " ").replace("'", "").split()
    begin = words.index("resetchannels")
    assert words[begin : begin + len(RIGHTS.split())] == RIGHTS.split()


def test_the_file_of_the_password_is_for_root_and_one_group(tmp_path: Path) -> None:
    (command,) = re.findall("`(install [^`]+)`", CLUSTER)
    file = tmp_path / "redis-password"
    assert command.count("/etc/milter64/redis-password") == command.count("-g milter64 ") == 1
    words = command.replace("/etc/milter64/redis-password", str(file)).replace("-g milter64", "-g daemon").split()
    HERE.run(*words)
    assert (file.owner(), file.group(), oct(file.stat().st_mode)) == ("root", "daemon", "0o100640")


def test_a_server_that_is_set_up_so_is_shared_through_and_all_is_well(lab: Lab, network: Namespace) -> None:
    lines = [line for line in SETTINGS.splitlines() if not line.startswith("bind ")]
    lab.start(Redis, *lines, network=network, address="127.0.0.1 192.0.2.10", port=6379)
    network.run("bash", "-euc", COMMANDS)
    password = lab.folder / "password"
    password.write_text("PASSWORD\n")
    first = blocks(CLUSTER, "toml")[0].replace("/etc/milter64/redis-password", str(password))
    milter = lab.start(
        Milter64, f'{first.replace("/var/lib/milter64", str(lab.folder))}apply = "all"\n', network=network
    )

    def told(*words: str) -> str:
        command = network.command(sys.executable, "-m", "milter64", "cluster", *words, "--config", str(milter.file))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == os.EX_OK else ""

    shown = until(told, "the host to share").splitlines()
    assert "whole" in shown[-1]
    heads = [
        [line.split() for line in lines if line.lstrip().startswith(("server ", "name "))]
        for lines in (shown, SHOWN.splitlines())
    ]
    assert heads[0] == heads[1]
    network.call(lambda: Message(address=behind(NAMELESS)).offer(milter))
    until(lambda: json.loads(told("--json"))["hosts"][0]["rows"], "a row to go out")
