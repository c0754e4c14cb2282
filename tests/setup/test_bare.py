"""Setting up in clean systems that have make: what is needed comes, and nothing else is touched."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.debian import Debian

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOOT = ("etc/systemd/system", "etc/systemd/user", *(f"etc/rc{level}.d" for level in "0123456S"))
POLICY = "usr/sbin/policy-rc.d"
TO_RUN = {"gcc", "libmilter-dev", "libpython3-dev", "python3-venv"}
TO_SHOW = {"iproute2", "nsd", "postfix", "tayga", "unbound"}
TO_PACK = {"build-essential", "debhelper", "dh-python", "git", "pybuild-plugin-pyproject", "python3-hatchling"}
LINTIAN = ("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0")


@dataclass(frozen=True)
class State:
    """What a set-up has to leave as it is: what is started at boot or may be started now, and Debconf's answers."""

    boot: frozenset[str]
    policy: bool
    answers: bytes


def state(debian: Debian) -> State:
    links = [link for folder in BOOT for link in (debian.root / folder).rglob("*") if link.is_symlink()]
    return State(
        boot=frozenset(str(link.relative_to(debian.root)) for link in links if not link.name.startswith("K")),
        policy=(debian.root / POLICY).exists(),
        answers=(debian.root / "var/cache/debconf/config.dat").read_bytes(),
    )


@pytest.fixture(params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest, tmp_path: Path) -> Debian:
    """A clean system with make, and with what is committed in /milter64."""
    debian = Debian(request.param, tmp_path / "root")
    debian.apt("install", "make")
    debian.clone("/milter64")
    return debian


def test_make_venv_brings_the_program_alone_and_needs_no_apt_where_its_packages_are(debian: Debian) -> None:
    before, there = state(debian), asked_for(debian)
    make(debian, "venv")
    assert state(debian) == before
    assert asked_for(debian) - there == TO_RUN
    assert recommended(debian) == []
    shown = debian.run("/milter64/.venv/bin/milter64", "translate", "64:ff9b::c01f:c40a")
    assert "192.31.196.10" in shown
    assert not {"mypy", "pytest", "ruff"} & {path.name for path in (debian.root / "milter64/.venv/bin").iterdir()}
    debian.run("dpkg", "--remove", "--force-depends", "--force-remove-protected", "--force-remove-essential", "apt")
    make(debian, "clean")
    make(debian, "venv")
    assert debian.run("/milter64/.venv/bin/milter64", "translate", "64:ff9b::c01f:c40a") == shown


def test_make_demo_brings_its_servers_and_starts_none_at_boot(debian: Debian) -> None:
    """On a system that systemd starts, and one of the servers is in use already."""
    debian.leave(POLICY, "#!/bin/sh\nexit 101\n", 0o755)
    debian.apt("install", "systemd-sysv", "nsd")
    (debian.root / POLICY).unlink()
    before, there = state(debian), asked_for(debian)
    assert "etc/systemd/system/multi-user.target.wants/nsd.service" in before.boot
    shown = make(debian, "demo")
    assert "Wrong replies: 2 of 4 undecoded" in shown
    assert state(debian) == before
    assert asked_for(debian) - there == TO_RUN | TO_SHOW - {"nsd"}
    assert recommended(debian) == []
    debian.apt("remove", "postfix")
    debian.leave(POLICY, "#!/bin/sh\nexit 101\n", 0o755)
    debian.apt("install", "postfix")
    assert (debian.root / "etc/postfix/main.cf").exists(), "an answer of ours was kept"


def test_make_deb_needs_none_of_the_development_environment(debian: Debian) -> None:
    """The release's own tools build the package, and find nothing wrong; it can be installed there and works."""
    before, there = state(debian), asked_for(debian)
    make(debian, "deb")
    assert state(debian) == before
    assert asked_for(debian) - there == TO_PACK
    assert recommended(debian) == []
    assert not (debian.root / "milter64/.venv").exists()
    (built,) = (debian.root / "milter64/dist").iterdir()
    package = f"/{built.relative_to(debian.root)}"
    debian.apt("install", "lintian", package)
    assert debian.run(*LINTIAN, package) == ""
    assert debian.run("milter64", "check-config") == "/etc/milter64/milter64.toml is valid\n"


def test_a_set_up_that_is_interrupted_leaves_no_trace(debian: Debian) -> None:
    before = state(debian)
    wants = "/etc/systemd/system/multi-user.target.wants"
    (debian.root / wants.lstrip("/")).mkdir(parents=True, exist_ok=True)
    interrupted = f'[ "$1" = update ] || {{ ln -s /unit {wants}/unit && cat /{POLICY} && kill -TERM $PPID; }}'
    debian.leave("usr/local/bin/apt-get", f"#!/bin/sh\n{interrupted} >/said\n", 0o755)
    assert debian.attempt("/milter64/tests/setup/apt", "postfix")[0] == 130
    assert (debian.root / "said").read_text() == "#!/bin/sh\nexit 101\n"
    assert state(debian) == before
    assert list((debian.root / "tmp").iterdir()) == []


def make(debian: Debian, target: str) -> str:
    return debian.run("make", "-C", "/milter64", target)


def asked_for(debian: Debian) -> set[str]:
    """Return the packages that are there because somebody asked for them."""
    return set(debian.run("apt-mark", "showmanual").split())


def recommended(debian: Debian) -> list[str]:
    """Return what apt would remove if it kept nothing that is merely recommended."""
    said = debian.run("apt-get", "-o", "APT::AutoRemove::RecommendsImportant=false", "--simulate", "autoremove")
    return [line for line in said.splitlines() if line.startswith("Remv")]
