"""All but the slow tests in a clean Debian 13, whose servers and Python are newer than Debian 12's."""

from pathlib import Path

import pytest

from rig.debian import Debian

NEITHER = "bench contrib docs package setup test_demo.py test_house.py"
"""What none of these has a part in."""


@pytest.mark.trixie
@pytest.mark.timeout(2400)  # it installs all servers, and runs all tests
def test_every_test_that_uses_them_passes_on_debian_13(tmp_path: Path) -> None:
    debian = Debian("trixie", tmp_path / "root")
    debian.apt("install", "make")
    debian.clone("/milter64")
    said = debian.run("make", "-C", "/milter64", "test", f"LEFT_OUT={NEITHER}", "MARKS=not slow and not trixie")
    assert " passed" in said
    assert "installing Debian packages: gcc libmilter-dev" in said
