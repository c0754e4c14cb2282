"""A page is written whole or not at all, and never over what is no file."""

import argparse
import os
from pathlib import Path

import pytest

from milter64.cli.html_file import html_argument, write
from milter64.pages.html import page
from rig.documents import DOCUMENT


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_page_is_written_with_a_mode_by_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        assert write(DOCUMENT, tmp_path / "page.html", "audit") == 0
    finally:
        os.umask(before)
    assert (tmp_path / "page.html").read_text() == page(DOCUMENT)
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == mode
    assert os.listdir(tmp_path) == ["page.html"]  # noqa: PTH208  names


def test_a_page_takes_the_place_of_the_one_before_in_one_step(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("before")
    with file.open() as reader:
        assert write(DOCUMENT, file, "audit") == 0
        assert reader.read() == "before"
    assert file.read_text() == page(DOCUMENT)


def test_where_there_is_no_room_nothing_is_left_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.html"
    file.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert write(DOCUMENT, file, "audit") == os.EX_UNAVAILABLE
    assert capsys.readouterr().err == f"milter64 audit: {file} can't be written: No space left on device\n"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert file.read_text() == "before"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", "is there, and is no file"),
        ("link", "is there, and is no file"),
        ("fifo", "is there, and is no file"),
        ("none/page.html", "nothing can be written in"),
    ],
)
def test_what_can_not_be_written_is_said_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "fifo")
    parser = argparse.ArgumentParser()
    html_argument(parser)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--html", str(tmp_path / name)])
    assert end.value.code == os.EX_UNAVAILABLE
    assert why in capsys.readouterr().err


def test_a_file_that_is_there_may_be_written_anew(tmp_path: Path) -> None:
    (tmp_path / "page.html").touch()
    parser = argparse.ArgumentParser()
    html_argument(parser)
    assert parser.parse_args(["--html", str(tmp_path / "page.html")]).html == tmp_path / "page.html"
