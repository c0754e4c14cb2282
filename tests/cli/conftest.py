"""A greylist, and the verb that shows it."""

from pathlib import Path

import pytest

from milter64.cli.main import main
from milter64.store.sqlite_merging import Merging
from rig.greylists import KIND, NOW, ROWS, Run


@pytest.fixture
def greylist_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("milter64.judging.row_clock._start", lambda *_: NOW)
    monkeypatch.setattr("time.clock_gettime", lambda _: 0.0)
    path = tmp_path / "rows"
    with Merging(path, KIND, lambda _: None) as merging:
        merging.merge(list(ROWS.items()))
    (tmp_path / "milter64.toml").write_text(f'[greylist]\nstore = "sqlite:{path}"\n')
    return path


@pytest.fixture
def greylist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run an action, and return its exit code and what it has written."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = main(["greylist", "--config", str(tmp_path / "milter64.toml"), *words])
        except SystemExit as ended:
            code = int(str(ended.code))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
