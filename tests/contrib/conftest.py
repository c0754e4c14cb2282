"""What several stories share: a clean Debian, and a log in which strangers have had their say."""

from collections.abc import Iterator

import pytest

from rig.chroot import Chroot
from rig.lab import Lab
from rig.strangers import Lines, write


@pytest.fixture(scope="session")
def bookworm() -> Iterator[Chroot]:
    """A minimal Debian 12, which nobody changes: copy it."""
    with Lab() as lab:
        yield Chroot.bootstrap(lab.folder / "bookworm", "bookworm")


@pytest.fixture(scope="session", params=["logfmt", "json"])
def lines(request: pytest.FixtureRequest) -> Lines:
    """The log of a real run, in either format."""
    with Lab() as lab:
        return write(lab, request.param)
