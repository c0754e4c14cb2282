"""docs/development.md says what there is: every make target."""

import re

from rig.pages import ROOT, page

PAGE = page("development")


def test_every_make_target_stands_in_the_page_in_order_and_no_other() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert re.findall(r"^\| `make (\S+)` \|", PAGE, flags=re.MULTILINE) == phony.split()
