"""README.md is a front door: short, with its chapters first, and a way to every page."""

import re

from rig.pages import EVERY

README = EVERY["README.md"]


def test_readme_has_250_lines_at_most() -> None:
    assert len(README.splitlines()) <= 250


def test_readme_begins_with_its_chapters() -> None:
    chapters = re.findall(r"^## (.*)$", README, flags=re.MULTILINE)
    listed = re.findall(r"^- \[(.*)\]\(#.*\)$", README.partition("\n## ")[0], flags=re.MULTILINE)
    assert listed == chapters


def test_readme_leads_to_every_page() -> None:
    assert EVERY.keys() - set(re.findall(r"\]\(([^)#]+)", README)) == {"README.md"}
