"""The report that docs/audit.md shows a part of, and the exit codes that it lists."""

from dataclasses import replace
from pathlib import Path

import pytest

from milter64.cli import audit
from milter64.cli.main import main
from rig.pages import blocks, page, table
from rig.scene import ADDRESSES, HOST, SIX, Scene

AUDIT = page("audit")
BROKEN = Scene(host=replace(HOST, addresses=tuple(each for each in ADDRESSES if each.address != SIX)))
"""A host that doesn't have the IPv6 address which DNS publishes."""


def play(scene: Scene, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(audit, "gather", lambda *_: (scene.facts(), ""))
    try:
        return main(["audit", *words])
    except SystemExit as end:
        return int(str(end.code))


def test_the_report_has_the_lines_that_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(BROKEN, monkeypatch)
    report = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    shown = [" ".join(line.split()) for line in blocks(AUDIT, "text")[0].splitlines()]
    assert len(shown) >= 6
    for line in shown:
        assert any(said == line or (line.endswith(" ...") and said.startswith(line[:-4])) for said in report), line


def test_the_exit_codes_are_those_that_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "milter64.toml"
    file.write_text("colour = 7\n")
    codes = [
        play(Scene(), monkeypatch),
        play(BROKEN, monkeypatch),
        play(Scene(), monkeypatch, "--colour"),
        play(Scene(), monkeypatch, "--html", str(tmp_path / ("x" * 255))),
        play(Scene(), monkeypatch, "--config", str(file)),
    ]
    assert codes == [int(code) for code, _ in table(AUDIT, "exit code")]
