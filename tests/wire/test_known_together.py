"""What one worker has learned all know: nobody is asked about again for having met another."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from milter64.limits.memory import MIB
from rig.direct import Message, session
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.numbers import Counted
from rig.procfs import children, shared_maps
from rig.service import Milter64
from rig.world import HONEST, RECORDS, behind

CONFIGURATION = """
dns.nameservers = ["{server}"]
greylist.store = "sqlite:{folder}/rows.sqlite"
greylist.apply = "suspect"
[milter]
workers = 4
"""
MANY = 32
"""Sessions at the same time: more than one worker has some of them."""


@pytest.mark.parametrize("kind", [Milter64, Counted])
def test_each_question_is_asked_once_whichever_workers_have_the_sessions(lab: Lab, kind: type[Milter64]) -> None:
    with DnsServer(RECORDS) as server:
        milter = lab.start(kind, CONFIGURATION.format(server=server.address, folder=lab.folder))
        assert Message(address=behind(HONEST)).send(milter).action == "continue"
        asked = {name: server.count(name) for name in ("honest.example", "10.196.31.192.in-addr.arpa")}
        assert asked == dict.fromkeys(asked, 1)
        with ExitStack() as stack:
            clients = [stack.enter_context(session(milter)) for _ in range(MANY)]
            for number, client in enumerate(clients):
                # Another sender has no decision that is kept ready, and half of them another HELO, and so no finding.
                helo = "mail.honest.example" if number % 2 else "honest.example"
                message = Message(address=behind(HONEST), sender=f"a{number}@honest.example", helo=helo)
                assert message.offer_in(client).action == "continue"
        assert {name: server.count(name) for name in asked} == asked


def test_memory_that_the_system_has_no_room_for_is_told_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text('[limits]\nmemory = "64G"\n[milter]\nsocket = "inet:0@localhost"\n')
    command = ["prlimit", f"--as={4 * 2**30}", sys.executable, "-m", "milter64", "run", "--config", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == os.EX_CONFIG
    assert "limits.memory  the system has no room for 64G" in ran.stderr
    assert 'write less, such as "32M"' in ran.stderr


def test_reloads_take_no_more_memory_and_begin_with_nothing_known(lab: Lab) -> None:
    with DnsServer(RECORDS) as server:
        configuration = CONFIGURATION.format(server=server.address, folder=lab.folder)
        milter, taken = lab.start(Milter64, configuration), set[str]()
        for times in (1, 2, 3):
            assert Message(address=behind(HONEST)).send(milter).action == "continue"
            assert server.count("honest.example") == times
            taken |= set().union(*(shared_maps(pid, MIB) for pid in (milter.pid, *children(milter.pid))))
            milter.become(configuration)
        assert len(taken) == len(("answers", "findings"))
