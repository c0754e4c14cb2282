"""What README.md and docs/ show is so: their settings, verbs and links."""

import re

import pytest

from milter64.cli.main import VERBS, main
from milter64.config.load_file import parse
from rig.pages import EVERY, ROOT, blocks, commands

TOML = [pytest.param(text, id=f"{name} {n}") for name in EVERY for n, text in enumerate(blocks(EVERY[name], "toml"))]


@pytest.mark.parametrize("text", TOML)
def test_an_example_of_a_configuration_is_valid(text: str) -> None:
    assert parse(text)[1] == []


def test_every_verb_stands_in_the_pages_and_no_other() -> None:
    assert commands("\n".join(EVERY.values()), "milter64") == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_in_the_pages_is_one_of_its_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    told = "\n".join(re.findall(rf"`milter64 {verb}\b([^`]*)`", "\n".join(EVERY.values())))
    assert set(re.findall(r"--[a-z-]+", told)) <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


def anchors(text: str) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", EVERY)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name: str) -> None:
    for file, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]*))?\)", EVERY[name]):
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), file
        assert not anchor or anchor in anchors(path.read_text()), f"{file}#{anchor}"


@pytest.mark.parametrize("name", EVERY)
def test_a_page_keeps_to_120_columns(name: str) -> None:
    assert [line for line in EVERY[name].splitlines() if len(line) > 120] == []
