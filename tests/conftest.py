"""What every test may rely on: root, network namespaces, Debian's servers, and a lab that leaves nothing behind."""

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from rig.lab import Lab
from rig.network import Namespace
from rig.postfix import DAEMONS

PROGRAMS = (
    "dig",
    "ip",
    "miltertest",
    "nsd",
    "nsenter",
    "openssl",
    "setpriv",
    "tayga",
    "unbound",
    str(DAEMONS / "master"),
)


def pytest_sessionstart() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is ended cleans up as on Ctrl-C
    if lack := _lack():
        pytest.exit(f"These tests run real servers in network namespaces, and {lack}.", returncode=69)


def _lack() -> str:
    """Say what is missing here, as the end of a sentence; empty if nothing is."""
    if os.geteuid() != 0:
        return "that needs root"
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        return f"these programs are missing: {', '.join(missing)} (the Makefile's TEST_PACKAGES have them)"
    try:
        with Namespace() as namespace:
            namespace.run("ip", "tuntap", "add", "dev", "nat64", "mode", "tun")
    except (OSError, RuntimeError) as error:
        return f"none can be made: {error}"
    return ""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Servers for one test; what they have written is shown if it fails."""
    with Lab() as lab:
        yield lab
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure
