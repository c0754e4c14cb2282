"""docs/development.md says what there is: every make target, every folder of the tests."""

import re
from pathlib import Path

from rig.pages import ROOT, page

PAGE = page("development")


def test_every_make_target_stands_in_the_page_in_order_and_no_other() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert re.findall(r"^\| `make (\S+)` \|", PAGE, flags=re.MULTILINE) == phony.split()


def test_every_folder_of_the_tests_is_a_wings_or_stands_in_the_page_and_no_other() -> None:
    cells = re.findall(r"^\| (\w+/.*?) \|", PAGE, flags=re.MULTILINE)
    listed = {folder for cell in cells for folder in re.findall(r"(\w+)/", cell)}
    assert folders(ROOT / "tests") - folders(ROOT / "milter" / "milter64") == listed


def folders(path: Path) -> set[str]:
    return {each.name for each in path.iterdir() if each.is_dir() and each.name != "__pycache__"}
