"""One stage for all stories that need no other: servers with the default policy, and the zones of a small world."""

from collections.abc import Iterator

import pytest

from rig.lab import Lab
from rig.stage import Stage, set_stage
from rig.world import ZONES


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Lab() as lab:
        yield set_stage(lab, ZONES)
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure
