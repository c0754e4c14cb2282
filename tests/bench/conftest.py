import subprocess
from pathlib import Path

import pytest

from bench.bench import HERE


@pytest.fixture(scope="session")
def milterload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("milterload", tmp_path_factory)


@pytest.fixture(scope="session")
def dnsdelay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("dnsdelay", tmp_path_factory)


def built(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool = tmp_path_factory.mktemp("tools") / name
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", tool, HERE / f"{name}.c"], check=True)
    return tool
