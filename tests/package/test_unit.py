"""The unit for systemd: its sandbox, and that milter64 lives in it, as systemd's tools read it (see test_booted)."""

import os
import re
import resource
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig import unit
from rig.direct import Message, judges_rightly
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.network import HERE
from rig.process import Process, until
from rig.procfs import children
from rig.service import Milter64
from rig.supervised import Supervised
from rig.world import RECORDS, STRANGER, behind

SOFTEST = 1.5
ALL = len(os.sched_getaffinity(0))


def test_the_sandbox_is_as_tight_as_promised() -> None:
    report = HERE.run("systemd-analyze", "security", "--offline=true", "--no-pager", str(unit.PATH))
    (level,) = re.findall(r"Overall exposure level for milter64\.service: ([0-9.]+)", report)
    assert float(level) <= SOFTEST, report


def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "milter64.service"
    copy.write_text(unit.PATH.read_text().replace("/usr/bin/milter64", sys.executable))
    with Process("systemd-analyze", "verify", "--man=no", copy) as verify:
        assert verify.wait() == 0
    assert verify.output == ""


def test_an_unknown_key_would_be_found(tmp_path: Path) -> None:
    copy = tmp_path / "milter64.service"
    copy.write_text(unit.PATH.read_text().replace("/usr/bin/milter64", sys.executable) + "\n[Service]\nTpye=notify\n")
    with Process("systemd-analyze", "verify", "--man=no", copy) as verify:
        verify.wait()
    assert "Tpye" in verify.output


def test_no_restart_follows_a_broken_configuration() -> None:
    assert unit.values("RestartPreventExitStatus") == [str(os.EX_CONFIG)]
    assert unit.values("Restart") == ["on-failure"]
    # Restarts are prevented by the code of the first process alone: a check before it would loop.
    assert not any("check-config" in line for line in unit.values("ExecStartPre"))


CONFIGURATION = """
[milter]
workers = 2
[greylist]
store = "sqlite:{folder}/greylist.sqlite"
[helo]
actions = {{ malformed = "greylist" }}
[rate]
recipients = {{ "ipv4/32" = "1000/1h" }}
[dns]
nameservers = ["{dns}"]
"""


JAIL = """
mount --bind "$1" "$1"
mount --options remount,bind,ro /
shift
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
"""
"""Runs a command that can write to one folder and to no other of its file system, and can become no more than it is."""


def gives_way(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").iterdir()
    own = os.getpriority(os.PRIO_PROCESS, pid)
    return any(os.getpriority(os.PRIO_PROCESS, int(thread.name)) > own for thread in threads)


@pytest.mark.parametrize(
    ("lines", "cpus", "policy"),
    [(None, 1, os.SCHED_BATCH), (-1, ALL, os.SCHED_OTHER)],
    ids=["the unit's", "without its last line"],
)
def test_workers_pin_themselves_and_judge_under_the_units_system_calls_with_nothing_but_their_folder_to_write_to(
    tmp_path: Path, lab: Lab, lines: int | None, cpus: int, policy: int
) -> None:
    filters = unit.values("SystemCallFilter")[:lines]
    as_root = {"fchown"}  # root gives a new file to the folder's owner; the unit's user has no need to
    confined = unit.confined(unit.allowed(filters) | as_root, tmp_path)
    state = tmp_path / "state"
    state.mkdir()

    class Confined(Milter64):
        program = ("unshare", "--mount", "sh", "-euc", JAIL, "sh", str(state), *confined, *Milter64.program)

    with DnsServer(RECORDS) as dns:
        milter = lab.start(Confined, CONFIGURATION.format(folder=state, dns=dns.address))
        milter.wait_log(lambda line: line["event"] == "ready")
        on = [(len(os.sched_getaffinity(pid)), os.sched_getscheduler(pid)) for pid in children(milter.pid)]
        assert on == [(cpus, policy)] * 2
        assert any(line["event"] == "not pinned" for line in milter.log) is (lines is not None)
        assert judges_rightly(milter)
        if lines is None:
            assert Message(address=behind(STRANGER), helo="malformed!").offer(milter).action == "tempfail"
            until(lambda: any(map(gives_way, children(milter.pid))), "what is learned behind a reply to give way")
        assert (state / "greylist.sqlite").exists()
        assert "nobody is greylisted" not in milter.output
        assert "no room" not in milter.output
        assert milter.stop() == 0


def test_the_units_limit_of_open_files_is_enough_for_1500_sessions_in_one_worker(tmp_path: Path) -> None:
    (limit,) = unit.values("LimitNOFILE")
    own = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(own[0], 2 * SESSIONS), own[1]))
    try:
        with ExitStack() as stack:
            service = stack.enter_context(Supervised(tmp_path, wrapper=("prlimit", f"--nofile={limit}")))
            sessions = [stack.enter_context(service.session()) for _ in range(SESSIONS)]
            assert {session.ask()[0] for session in sessions} == service.workers
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, own)


SESSIONS = 1500
