"""What every test may rely on: root, network namespaces, Debian's servers, and a lab that leaves nothing behind."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from rig.lab import Lab
from rig.longest import LONGEST
from rig.means import OF_THE_TESTS, lack

# How long an example takes says more about the machine than about the code.
# Each gate runs a property three times, on three sets of libraries.
settings.register_profile("untimed", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # pytest-xdist would begin with the files of the most tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {path: rank for rank, path in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_sessionstart() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is ended cleans up as on Ctrl-C
    if missing := lack(OF_THE_TESTS, "test"):
        pytest.exit(f"These tests run real servers in network namespaces, and {missing}.", returncode=69)


@pytest.fixture(scope="session", autouse=True)
def no_verb_makes_the_tests_give_way() -> Iterator[None]:
    """Have verbs that run within the process of the tests leave it as it is, and the servers that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.nice", lambda _: 0)
        patch.setattr("gc.freeze", lambda: None)
        patch.setattr("gc.set_threshold", lambda *_: None)
        yield


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Servers for one test; what they have written is shown if it fails."""
    with Lab() as lab:
        yield lab
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure
