"""What docs/troubles.md says that the log says is what the code has it say."""

import re

import pytest

from rig.pages import ROOT, page, quoted

CODE = "\n".join(path.read_text() for path in (ROOT / "milter").rglob("*.py"))
ITEMS = [" ".join(item.split()) for item in re.split(r"^- |\n\n", page("troubles"), flags=re.MULTILINE)]
SAID = sorted({words for item in ITEMS for words in quoted(item.partition(" Log: ")[2])})
PUT_TOGETHER = {
    "worker died": ["{member.process} died", '"worker"'],
    "metrics server died": ["{member.process} died", '"metrics server"'],
    "is corrupt": [" is {trouble}: moved to", "corrupt ({error})"],
    "greylist=unkept": ['UNKEPT = "unkept"'],
    "trouble=": ["trouble="],
    "doing=": ["doing="],
}
"""What doesn't stand in the code in one piece."""


@pytest.mark.parametrize("words", SAID)
def test_what_the_log_says_in_trouble_is_what_the_code_has_it_say(words: str) -> None:
    for part in PUT_TOGETHER.get(words, [f'"{words}']):
        assert part in CODE, part


def test_no_trouble_is_without_its_words() -> None:
    assert len(SAID) >= 25
    assert set(PUT_TOGETHER) <= set(SAID)
