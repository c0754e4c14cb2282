"""docs/architecture.md names every wing of the house, and tells of each."""

import re

import pytest

from rig.pages import ROOT, chapter, page, quoted, table

PAGE = page("architecture")
(ORDER,) = re.findall(
    r"^WINGS = \[(.*?)^\]", (ROOT / "tests/test_house.py").read_text(), flags=re.DOTALL | re.MULTILINE
)
WINGS = re.findall(r'"(\w+)"', ORDER)


def test_every_wing_is_listed_above_those_that_it_imports_from_and_no_other() -> None:
    assert [wing for cell, _ in table(PAGE, "wing") for wing in quoted(cell)] == WINGS[::-1]


@pytest.mark.parametrize("wing", WINGS)
def test_every_wing_is_told_of_on_the_way_of_one_message(wing: str) -> None:
    assert re.search(rf"\*\*(?:[a-z]+, )*{wing}(?:, [a-z]+)*\.?\*\*", chapter(PAGE, "The way of one message"))
