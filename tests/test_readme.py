"""README says what the code does: its settings, make targets and files are the real ones."""

import re

import pytest

from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.config.toml_reader import keys
from rig.pages import EVERY, ROOT, chapter, commands, quoted, table

README = EVERY["README.md"]

# Settings

SETTINGS = {quoted(key)[0]: default for key, default, _ in table(chapter(README, "Configuration"), "key")}
(ACTIONS,) = re.findall(r"^The actions by default:\n\n```toml\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_every_setting_stands_in_readme_and_no_other() -> None:
    assert list(SETTINGS) == list(keys(Settings))


def value(settings: object, key: str) -> object:
    for name in key.split("."):
        settings = getattr(settings, name)
    return [prefix.text for prefix in settings] if key == "translation.prefixes" else settings  # type: ignore[attr-defined]  # a tuple of them


@pytest.mark.parametrize("key", SETTINGS)
def test_the_default_that_readme_gives_is_the_codes(key: str) -> None:
    cell = SETTINGS[key]
    given, problems = parse(ACTIONS if cell == "below" else f"{key} = {quoted(cell)[0]}" if cell else "")
    assert not problems
    assert value(given, key) == value(Settings(), key)
    if cell == "below":
        assert key.rpartition(".")[2] in ACTIONS


def test_a_setting_without_a_default_in_readme_has_none() -> None:
    assert [key for key, cell in SETTINGS.items() if not cell] == ["iprev.ipv6_actions", "metrics.listen"]


@pytest.mark.parametrize(
    ("key", "results"), [(key, quoted(results)) for keys, results in table(README, "table") for key in quoted(keys)]
)
def test_an_action_can_be_given_for_each_result_that_readme_lists_and_for_no_other(
    key: str, results: list[str]
) -> None:
    actions = ", ".join(f'{result} = "accept"' for result in results)
    assert parse(f"{key} = {{ {actions} }}")[1] == []
    (problem,) = parse(f'{key} = {{ zzz = "accept" }}')[1]
    assert problem.remedy == f"possible are {', '.join(sorted(results))}"


# Commands


def test_every_make_target_stands_in_readme_and_no_other() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert commands(README, "make") == set(phony.split())


# The house


def test_readme_lists_every_wing_of_the_house() -> None:
    house = ROOT / "milter" / "milter64"
    listed = [name for cell, *_ in table(chapter(README, "Architecture"), "wing") for name in quoted(cell)]
    assert sorted(listed) == sorted(f"{path.parent.name}/" for path in house.glob("*/__init__.py"))
