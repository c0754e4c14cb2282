"""What `make dist` makes of what is committed: an sdist and a wheel, which pip installs and which work alone."""

import sys
import venv
from pathlib import Path

import pytest

from rig.network import HERE
from rig.pages import ROOT


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both, made with the tools that are installed here already."""
    clone = tmp_path_factory.mktemp("dist") / "milter64"
    HERE.run("git", "clone", "--quiet", "--no-local", str(ROOT), str(clone))
    (clone / ".venv").symlink_to(sys.prefix)
    said = HERE.run("make", "-C", str(clone), "--old-file", ".venv/.dev", "dist")
    assert said.count("PASSED") == 2, said  # by twine
    return clone / "dist"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["*.whl", "*.tar.gz"])
def test_pip_installs_what_make_dist_makes(dist: Path, tmp_path: Path, form: str) -> None:
    (made,) = dist.glob(form)
    venv.create(tmp_path, with_pip=True)
    HERE.run(f"{tmp_path}/bin/pip", "install", "--quiet", "--disable-pip-version-check", str(made))
    program = f"{tmp_path}/bin/milter64"
    assert "192.31.196.10" in HERE.run(program, "translate", "64:ff9b::c01f:c40a")
    assert "serve the milter protocol" in HERE.run(program, "run", "--help").lower()
