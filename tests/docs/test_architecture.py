"""docs/architecture.md names every wing and every file of the house, each in its place."""

import re

import pytest

from rig.pages import ROOT, chapter, page, quoted, table

HOUSE = ROOT / "milter" / "milter64"
PAGE = page("architecture")
(ORDER,) = re.findall(
    r"^WINGS = \[(.*?)^\]", (ROOT / "tests/test_house.py").read_text(), flags=re.DOTALL | re.MULTILINE
)
WINGS = re.findall(r'"(\w+)"', ORDER)


def test_every_wing_is_listed_above_those_that_it_imports_from_and_no_other() -> None:
    assert [wing for cell, _ in table(PAGE, "wing") for wing in quoted(cell)] == WINGS[::-1]


@pytest.mark.parametrize("wing", WINGS)
def test_every_file_of_a_wing_is_listed_with_it_and_no_other(wing: str) -> None:
    listed = [name for cell, _ in table(chapter(PAGE, wing), "file") for name in quoted(cell)]
    files = [file.relative_to(HOUSE / wing) for file in (HOUSE / wing).rglob("*.py") if file.stem != "__init__"]
    assert sorted(listed) == sorted(map(str, files))
