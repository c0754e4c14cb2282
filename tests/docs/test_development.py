"""docs/development.md says what there is, and no more: make targets, every folder of the tests."""

import re
from pathlib import Path

from rig.pages import EVERY, ROOT, commands, page

PAGE = page("development")


(PHONY,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_every_make_target_that_a_page_speaks_of_is_one() -> None:
    spoken_of = commands("\n".join(EVERY.values()), "make")
    assert {"venv", "deb", "demo", "help", "bench"} <= spoken_of <= set(PHONY.split())


def test_every_folder_of_the_tests_is_a_wings_or_stands_in_the_page_and_no_other() -> None:
    cells = re.findall(r"^\| (\w+/.*?) \|", PAGE, flags=re.MULTILINE)
    listed = {folder for cell in cells for folder in re.findall(r"(\w+)/", cell)}
    assert folders(ROOT / "tests") - folders(ROOT / "milter" / "milter64") == listed


def folders(path: Path) -> set[str]:
    return {each.name for each in path.iterdir() if each.is_dir() and each.name != "__pycache__"}
