"""The Debian package in clean systems of both releases: built, installed, used, upgraded, removed and purged."""

import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from rig.debian import Debian
from rig.network import HERE

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "packaging" / "debian"
SETTINGS = "etc/milter64/milter64.toml"
UNIT = "usr/lib/systemd/system/milter64.service"
POSTFIX = "postfix postfix/main_mailer_type select Local only"

_EXAMPLES = "usr/share/doc/milter64/examples"
INSTALLED = {
    f"{_EXAMPLES}/milter64.toml": "packaging/milter64.toml",
    f"{_EXAMPLES}/ansible": "contrib/ansible",
    f"{_EXAMPLES}/fail2ban": "contrib/fail2ban",
    f"{_EXAMPLES}/grafana": "contrib/grafana",
    f"{_EXAMPLES}/prometheus": "contrib/prometheus",
    "etc/logcheck/ignore.d.server/milter64": "contrib/logcheck/ignore.d.server/milter64",
    "usr/share/bash-completion/completions/milter64": "packaging/completion/milter64",
    "usr/share/zsh/vendor-completions/_milter64": "packaging/completion/_milter64",
    "usr/share/fish/vendor_completions.d/milter64.fish": "packaging/completion/milter64.fish",
}
"""Files and folders of the package, and what they are here."""

CALLS = "/systemctl-calls"
RECORDER = f'#!/bin/sh\necho "${{0##*/}} $*" >>{CALLS}\n'
"""Stands for systemctl and what calls it, where no systemd runs."""


def test_the_package_has_the_programs_version() -> None:
    changelog = (DEBIAN / "changelog").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert changelog.startswith(f"milter64 ({project['version']}) ")


def test_the_package_asks_for_every_library_by_debians_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split("[^a-z0-9-]", library)[0].replace("-", "_") for library in project["dependencies"]]
    overrides = [line.split()[0] for line in (DEBIAN / "py3dist-overrides").read_text().splitlines()]
    assert sorted(names) == sorted(overrides)


def test_the_package_recommends_what_speaks_with_redis() -> None:
    recommended = re.search(r"^Recommends:\n((?: .*\n)+)", (DEBIAN / "control").read_text(), flags=re.MULTILINE)
    assert recommended
    assert recommended[1].split() == ["iproute2,", "python3-redis,"]


def test_the_package_names_no_address_or_site_that_there_is_not() -> None:
    """Debian wants an address of the maintainer: it has one that is none by its name (RFC 2606)."""
    told = [(ROOT / name).read_text() for name in ("pyproject.toml", "packaging/debian/control")]
    told.append((DEBIAN / "changelog").read_text())
    addresses = re.findall(r"[\w.-]+@([\w.-]+)", "".join(told))
    assert addresses
    assert {address.rpartition(".")[2] for address in addresses} == {"invalid"}
    assert not re.search("https?://|Homepage|Vcs-", "".join(told))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as `make deb` builds it on this system."""
    folder = tmp_path_factory.mktemp("package")
    HERE.run(str(ROOT / "packaging" / "build-deb"), str(folder))
    (built,) = folder.iterdir()
    return built


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_a_life_on_debian(package: Path, tmp_path: Path, release: str) -> None:
    debian = Debian(release, tmp_path / "root")
    before = named_after_it(debian)
    install(debian, package)
    story(debian, "inet", "unix", "greylist", "lists")
    upgrade(debian, next_version(package, tmp_path))
    story(debian, "again", "listed")
    upgrade_with_a_broken_configuration(debian, package)
    remove(debian)
    purge(debian)
    assert named_after_it(debian) == before


def install(debian: Debian, package: Path) -> None:
    """A user, a folder, settings that are valid, and a unit that starts at the next boot."""
    offer(debian, package)
    debian.run("sh", "-c", f"echo '{POSTFIX}' | debconf-set-selections")
    debian.apt("install", "/package.deb", "postfix")
    assert debian.run("stat", "--format", "%U:%G %a", "/var/lib/milter64") == "milter64:milter64 750\n"
    assert debian.run("id", "--groups", "--name", "milter64") == "milter64\n"
    assert debian.run("milter64", "check-config") == f"/{SETTINGS} is valid\n"
    assert (debian.root / SETTINGS).read_text() == (DEBIAN / "milter64.toml").read_text()
    assert (debian.root / "etc/systemd/system/multi-user.target.wants/milter64.service").is_symlink()
    assert (debian.root / UNIT).read_text() == (ROOT / "packaging/systemd/milter64.service").read_text()
    for there, here in INSTALLED.items():
        assert contents(debian.root / there) == contents(ROOT / here), there
    for page in (ROOT / "packaging").glob("man/*.[0-9]"):
        assert (debian.root / f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz").exists()


def contents(path: Path) -> dict[str, str]:
    """Return the text of a file, or of each in a folder."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_text() for file in files}


def story(debian: Debian, *names: str) -> None:
    """What autopkgtest runs."""
    debian.leave("/mail.py", (DEBIAN / "tests" / "mail.py").read_text())
    output = debian.run("python3", "/mail.py", *names, alone=True)
    assert [line for line in output.splitlines() if line.endswith(": ok")] == [f"{name}: ok" for name in names], output


def upgrade(debian: Debian, package: Path) -> None:
    """The service is restarted, and the settings are those of the admin, though the package has others now."""
    settings = (debian.root / SETTINGS).read_text()
    offer(debian, package)
    with_systemd(debian, "dpkg", "--force-confold", "--install", "/package.deb")
    assert called(debian) == ["systemctl --system daemon-reload", "deb-systemd-invoke restart milter64.service"]
    assert (debian.root / SETTINGS).read_text() == settings
    assert "A later version's." in (debian.root / f"{SETTINGS}.dpkg-dist").read_text()


def upgrade_with_a_broken_configuration(debian: Debian, package: Path) -> None:
    """What runs goes on: it isn't restarted, apt succeeds, and the admin reads why."""
    settings = (debian.root / SETTINGS).read_text()
    debian.leave(SETTINGS, "nonsense = 1\n")
    offer(debian, package)
    output = with_systemd(debian, "dpkg", "--force-confold", "--install", "/package.deb")
    assert called(debian) == ["systemctl --system daemon-reload"]
    assert "nonsense" in output
    assert "milter64: not restarted" in output
    debian.leave(SETTINGS, settings)


def remove(debian: Debian) -> None:
    """The service is stopped; settings and greylist stay."""
    greylist = debian.root / "var/lib/milter64/greylist.sqlite"
    with_systemd(debian, "dpkg", "--remove", "milter64")
    assert "deb-systemd-invoke stop milter64.service" in called(debian)
    assert greylist.exists()
    assert (debian.root / SETTINGS).exists()
    assert not (debian.root / "usr/bin/milter64").exists()
    assert not (debian.root / "var/spool/postfix/milter64").exists()


def purge(debian: Debian) -> None:
    debian.apt("purge", "milter64")
    assert not (debian.root / "etc/milter64").exists()
    assert not (debian.root / "var/lib/milter64").exists()


def offer(debian: Debian, package: Path) -> None:
    shutil.copy(package, debian.root / "package.deb")


def next_version(package: Path, folder: Path) -> Path:
    """Return the same package with a later version, and with other settings."""
    tree, later = folder / "later", folder / "later.deb"
    HERE.run("dpkg-deb", "--raw-extract", str(package), str(tree))
    for name, line, replacement in [
        ("DEBIAN/control", r"^Version: (.*)$", r"Version: \1+later"),
        (SETTINGS, r"\A", "# A later version's.\n"),
    ]:
        file = tree / name
        file.write_text(re.sub(line, replacement, file.read_text(), count=1, flags=re.MULTILINE))
    HERE.run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(later))
    return later


def with_systemd(debian: Debian, *words: str) -> str:
    """Run dpkg (apt would set a PATH of its own) as if systemd ran; `called` returns what that was told."""
    running = debian.root / "run/systemd/system"
    recorders = [f"usr/local/sbin/{name}" for name in ("systemctl", "deb-systemd-invoke")]
    running.mkdir(parents=True)
    (debian.root / CALLS.lstrip("/")).write_text("")
    for recorder in recorders:
        debian.leave(recorder, RECORDER, 0o755)
    try:
        return debian.run(*words)
    finally:
        running.rmdir()
        for recorder in recorders:
            (debian.root / recorder).unlink()


def called(debian: Debian) -> list[str]:
    """Return what systemd was told about milter64, and the reloads of its units before that."""
    lines = (debian.root / CALLS.lstrip("/")).read_text().splitlines()
    return [line for number, line in enumerate(lines) if line not in lines[:number]]


def named_after_it(debian: Debian) -> set[str]:
    """Return the paths that have its name and don't belong to the package manager."""
    found = set()
    for folder, folders, files in os.walk(debian.root):
        inside = Path(folder).relative_to(debian.root)
        if inside.parts[:2] != ("var", "cache"):
            found |= {str(inside / name) for name in [*folders, *files] if "milter64" in name}
    return found
