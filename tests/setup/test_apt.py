"""tests/setup/apt where there is nothing to do, and where nothing can be done: in clean systems see test_bare.py."""

import shutil
import subprocess
from pathlib import Path

import pytest

APT = Path(__file__).with_name("apt")
SAYS_INSTALLED = '#!/bin/sh\n[ "$4" = lacking ] || echo installed\n'


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs that it finds: dpkg-query, which knows all packages but `lacking`; no apt, no sudo."""
    for name in ("grep", "id"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    leave(tmp_path / "dpkg-query", SAYS_INSTALLED)
    return tmp_path


def test_apt_is_not_called_where_everything_is_installed(programs: Path) -> None:
    leave(programs / "apt-get", "#!/bin/sh\nexit 1\n")
    assert apt(programs, "gcc", "python3-venv") == (0, "", "")


def test_without_apt_it_says_what_is_lacking(programs: Path) -> None:
    assert apt(programs, "gcc", "lacking") == (69, "", "there is no apt-get here; please install: lacking\n")


def test_without_sudo_somebody_who_is_not_root_reads_what_is_lacking(programs: Path) -> None:
    leave(programs / "apt-get", "#!/bin/sh\nexit 1\n")
    (programs / "id").unlink()
    leave(programs / "id", "#!/bin/sh\necho 1000\n")
    assert apt(programs, "gcc", "lacking") == (69, "", "there is no sudo here; please install: lacking\n")


def test_on_another_system_than_debian_it_says_what_it_takes_to_be_there(programs: Path) -> None:
    (programs / "dpkg-query").unlink()
    said = "this is no Debian: taken to be installed, by whatever names they have here: gcc lacking\n"
    assert apt(programs, "gcc", "lacking") == (0, "", said)


def apt(programs: Path, *packages: str) -> tuple[int, str, str]:
    """Run it with these programs; return its exit code, and what it says and complains of."""
    done = subprocess.run(
        ["/bin/sh", APT, *packages], env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def leave(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)
