import subprocess
from pathlib import Path

import pytest

from bench.bench import HERE


@pytest.fixture(scope="session")
def milterload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tool = tmp_path_factory.mktemp("tools") / "milterload"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", tool, HERE / "milterload.c"], check=True)
    return tool
