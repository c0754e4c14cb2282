"""The manuals say what the code does: every key with its default and its words, every verb with its options."""

import argparse
import re
import subprocess
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from milter64.cli.main import VERBS
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.config.toml_reader import keys
from milter64.config.toml_writer import written

MAN = Path(__file__).parent.parent / "packaging" / "man"
PAGES = [MAN / "milter64.8", MAN / "milter64.toml.5"]


def shown(page: Path) -> str:
    """Return a page as people read it, without bold and underlined characters."""
    command = ["mandoc", "-Tascii", "-Owidth=200", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", done.stdout)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_page_has_no_defect(page: Path) -> None:
    lint = subprocess.run(["mandoc", "-Tlint", page], capture_output=True, text=True, check=False).stdout
    # Which other pages are there, and listed by a mandoc.db, is this machine's matter.
    found = [
        line for line in lint.splitlines() if "referenced manual not found" not in line and "mandoc.db" not in line
    ]
    assert found == []
    man = subprocess.run(["man", "--warnings", "-l", "-Tutf8", page], capture_output=True, text=True, check=True)
    assert man.stderr == ""


# The configuration

TABLES = re.split(r"^   (\[\w+\]|The file)$", shown(PAGES[1]).partition("\nFILES\n")[0], flags=re.MULTILINE)[1:]


def entries() -> Iterator[tuple[str, str, str]]:
    """Yield each key's dotted name, the line that it stands in, and what is said about it."""
    for table, text in zip(TABLES[::2], TABLES[1::2], strict=True):
        section = "" if table == "The file" else f"{table[1:-1]}."
        for entry in re.split(r"^ {5}(?=[a-z])", text, flags=re.MULTILINE)[1:]:
            line, _, said = entry.partition("\n")
            yield section + line.partition(" ")[0], line, said


ENTRIES = {key: (line, said) for key, line, said in entries()}
LINES = {
    key: f"{key.rpartition('.')[0]}.{line}".removeprefix(".") for key, (line, _) in ENTRIES.items() if " = " in line
}
"""The keys with a default, each as a line of TOML."""


def test_every_key_stands_in_the_page_in_order_and_no_other() -> None:
    assert list(ENTRIES) == list(keys(Settings))


def test_the_lines_of_the_page_are_a_file_with_the_defaults() -> None:
    settings, problems = parse("\n".join(LINES.values()))
    assert (written(settings), problems) == (written(Settings()), [])


@pytest.mark.parametrize("key", LINES)
def test_the_default_that_the_page_gives_is_the_codes(key: str) -> None:
    settings, problems = parse(LINES[key])
    assert not problems
    assert comparable(value(key, settings)) == comparable(value(key))


def comparable(setting: object) -> object:
    """Return prefixes as texts: they are equal by these alone."""
    return [getattr(each, "text", each) for each in setting] if isinstance(setting, tuple) else setting


def test_a_key_without_a_default_in_the_page_has_none() -> None:
    without = ENTRIES.keys() - LINES.keys()
    assert without == {"iprev.ipv6_actions", "metrics.listen"}
    assert [value(key) for key in without] == [None, None]


def value(key: str, settings: object = Settings()) -> Any:  # noqa: ANN401  whatever a setting is
    found = settings
    for name in key.split("."):
        found = getattr(found, name)
    return found


def hint(key: str) -> Any:  # noqa: ANN401  annotations are of no one type
    section, _, name = key.rpartition(".")
    return get_type_hints(type(value(section)) if section else Settings)[name]


def words(key: str) -> Iterator[str]:
    """Yield the words that may stand at a key."""
    for each in get_args(hint(key)) if get_origin(hint(key)) is UnionType else [hint(key)]:
        if get_origin(each) is Literal:
            yield from get_args(each)


@pytest.mark.parametrize("key", [key for key in keys(Settings) if list(words(key))])
def test_every_word_that_a_key_can_have_is_told_of(key: str) -> None:
    told = set(re.findall(r"[\"`]([\w-]+)[\"']", "\n".join(ENTRIES[key])))
    assert set(words(key)) - told == set()


RESULTS = {
    table[1:-1]: re.findall(r"^ {11}([\w-]+) {2,}\S", text, flags=re.MULTILINE)
    for table, text in zip(TABLES[::2], TABLES[1::2], strict=True)
}
"""The results that are told of at the head of a table."""


@pytest.mark.parametrize("key", [key for key in keys(Settings) if key.endswith("actions")])
def test_an_action_can_be_given_for_each_result_that_the_page_lists_and_for_no_other(key: str) -> None:
    results = RESULTS[key.partition(".")[0]]
    actions = ", ".join(f'{result} = "accept"' for result in results)
    assert parse(f"{key} = {{ {actions} }}")[1] == []
    (problem,) = parse(f'{key} = {{ zzz = "accept" }}')[1]
    assert problem.remedy == f"possible are {', '.join(sorted(results))}"


def test_results_are_told_of_where_a_table_has_actions_and_nowhere_else() -> None:
    with_actions = {key.partition(".")[0] for key in keys(Settings) if key.endswith("actions")}
    assert {table for table, results in RESULTS.items() if results} == with_actions


def test_the_actions_are_told_of() -> None:
    (action,) = {each for key in keys(Settings) for each in get_args(hint(key)) if is_enum(each)}
    actions = re.findall(r'^ {5}"(\w+)"$', shown(PAGES[1]), flags=re.MULTILINE)
    assert actions == [name.lower() for name in action.__members__]


def is_enum(each: object) -> bool:
    return isinstance(each, type) and issubclass(each, Enum)


def test_the_example_is_valid() -> None:
    (example,) = re.findall(r"^EXAMPLES\n(.*?)^SEE ALSO", shown(PAGES[1]), flags=re.MULTILINE | re.DOTALL)
    assert parse("\n".join(line.strip() for line in example.splitlines()[1:]))[1] == []


# The command


def test_every_verb_stands_in_the_page_and_no_other() -> None:
    (synopsis,) = re.findall(r"^SYNOPSIS\n(.*?)^DESCRIPTION", shown(PAGES[0]), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^ {5}milter64 ([a-z][a-z-]+)", synopsis, flags=re.MULTILINE) == list(VERBS)
    told = re.findall(r"^ {5}([a-z-]+)\b", shown(PAGES[0]).partition("\n   Verbs\n")[2], flags=re.MULTILINE)
    assert set(VERBS) <= set(told)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_stands_in_the_synopsis_and_no_other(verb: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    import_module(f"milter64.cli.{verb.replace('-', '_')}").arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings}  # noqa: SLF001  no other way
    (line,) = re.findall(rf"^ {{5}}milter64 {verb}\b(.*)$", shown(PAGES[0]), flags=re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", line)) == options - {"-h", "--help"}
