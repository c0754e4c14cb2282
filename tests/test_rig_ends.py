"""The rig itself: a server that can't start says why, and no story leaves anything behind."""

import os
import shutil
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from textwrap import dedent

import pytest

from rig.lab import Lab
from rig.nat64 import SERVER_IPV4, SERVER_IPV6, Nat64
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import Process, until
from rig.procfs import processes
from rig.smtp import Smtp


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (lambda lab: lab.start(Postfix, inet_interfaces="nowhere.invalid"), "nowhere.invalid"),
        (lambda lab: lab.start(Nsd, {"example.org": "@ NONSENSE"}), "0.zone:5: "),
        (lambda lab: lab.start(Nat64, "2001:db8::/33"), "prefix"),
    ],
    ids=["Postfix", "nsd", "tayga"],
)
def test_a_server_that_cannot_start_says_why(lab: Lab, start: Callable[[Lab], object], why: str) -> None:
    with pytest.raises((AssertionError, ValueError, RuntimeError)) as caught:
        start(lab)
    assert why in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_story_that_breaks_off_leaves_nothing_behind(error: type[BaseException]) -> None:
    with ExitStack() as held:
        with suppress(error), Lab() as lab:
            nat = lab.start(Nat64, "64:ff9b::/96")
            namespaces = {_hold(held, network.path) for network in (nat.client, nat.router, nat.server)}
            postfix = lab.start(Postfix, network=nat.server, addresses=[SERVER_IPV6])
            Smtp(SERVER_IPV4, postfix.port, network=nat.client).close()
            assert {"master", "smtpd", "tayga"} <= _processes_in(namespaces)
            raise error
        assert not lab.folder.exists()
        assert _processes_in(namespaces) == set()


def test_tests_that_are_killed_leave_no_process_behind(tmp_path: Path) -> None:
    script = tmp_path / "story.py"
    script.write_text(
        dedent("""
            import signal
            from rig.lab import Lab
            from rig.nat64 import SERVER_IPV6, Nat64
            from rig.postfix import Postfix

            with Lab() as lab:
                nat = lab.start(Nat64, "64:ff9b::/96")
                lab.start(Postfix, network=nat.server, addresses=[SERVER_IPV6])
                print("started", *(network.path for network in (nat.router, nat.server)), lab.folder)
                signal.pause()
        """)
    )
    with ExitStack() as held, Process.python(script, env={"PYTHONPATH": str(Path(__file__).parent)}) as story:
        _, *paths, folder = story.expect("started .*")[0].split()
        namespaces = {_hold(held, path) for path in paths}
        until(lambda: {"master", "qmgr", "tayga"} <= _processes_in(namespaces), "the servers' processes")
        story.stop(signal.SIGKILL)
        until(lambda: not _processes_in(namespaces), "the servers to end")
    shutil.rmtree(folder)


def _hold(held: ExitStack, path: str) -> Path:
    """Return a namespace's name, which no other namespace gets as long as this one is held."""
    descriptor = os.open(path, os.O_RDONLY)
    held.callback(os.close, descriptor)
    return Path("/proc/self/fd", str(descriptor)).readlink()


def _processes_in(namespaces: set[Path]) -> set[str]:
    """Return the names of the processes that live in one of the network namespaces."""
    return {name for namespace, name in processes("ns/net") if namespace in namespaces}
