"""The pictures in docs/ are small, are shown, and can be drawn anew."""

from pathlib import Path

from pages.pictures import DOCS, LARGEST, draw
from rig.pages import page


def test_the_pictures_can_be_drawn_anew_and_are_small(tmp_path: Path) -> None:
    drawn = draw(tmp_path)
    assert drawn
    for picture in drawn:
        assert picture.read_bytes()[8:12] == b"WEBP"
        assert 10_000 < picture.stat().st_size < LARGEST
        assert 10_000 < (DOCS / picture.name).stat().st_size < LARGEST
        assert f"({picture.name})" in page("page")
