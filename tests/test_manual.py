"""The manuals say what the code does: every key with its default and its words, every verb with its options."""

import re
import subprocess
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from milter64.cli.main import VERBS
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.config.toml_reader import keys
from milter64.config.toml_writer import written
from rig import helptext

MAN = Path(__file__).parent.parent / "packaging" / "man"
PAGES = [MAN / "milter64.8", MAN / "milter64.toml.5"]


def shown(page: Path) -> str:
    """Return a page as people read it, without bold and underlined characters."""
    command = ["mandoc", "-Tascii", "-Owidth=300", str(page)]
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

TABLES = re.split(
    r"^   (\[\w+\]|\[\[\w+\]\]|The file)$", shown(PAGES[1]).partition("\nFILES\n")[0], flags=re.MULTILINE
)[1:]


def entries() -> Iterator[tuple[str, str, str]]:
    """Yield each key's dotted name, the line that it stands in, and what is said about it."""
    for table, text in zip(TABLES[::2], TABLES[1::2], strict=True):
        section = "" if table == "The file" else f"{table.strip('[]')}."
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


SEVERAL = {"dnslist": 'zone = "bl.example"', "recipient": 'domain = "example.org"'}
"""The tables of which there may be several, and what each of them must have."""


def test_the_lines_of_the_page_are_a_file_with_the_defaults() -> None:
    settings, problems = parse("\n".join(line for key, line in LINES.items() if key.partition(".")[0] not in SEVERAL))
    assert (written(settings), problems) == (written(Settings()), [])


@pytest.mark.parametrize("key", LINES)
def test_the_default_that_the_page_gives_is_the_codes(key: str) -> None:
    table, _, _ = key.partition(".")
    if table in SEVERAL:
        head = f"[[{table}]]\n{SEVERAL[table]}\n"
        settings, problems = parse(head + LINES[key].removeprefix(f"{table}."))
        default, _ = parse(head)
    else:
        settings, problems = parse(LINES[key])
        default = Settings()
    assert not problems
    assert comparable(value(key, settings)) == comparable(value(key, default))


def comparable(setting: object) -> object:
    """Return prefixes as texts: they are equal by these alone."""
    return [getattr(each, "text", each) for each in setting] if isinstance(setting, tuple) else setting


REQUIRED = {"dnslist.zone", "recipient.address", "recipient.domain"}


def test_a_key_without_a_default_in_the_page_has_none() -> None:
    without = ENTRIES.keys() - LINES.keys()
    assert without == {"iprev.ipv6_actions", "metrics.listen", *REQUIRED}
    assert [value(key) for key in without - REQUIRED] == [None, None]


def value(key: str, settings: object = Settings()) -> Any:  # noqa: ANN401  whatever a setting is
    found = settings
    for name in key.split("."):
        found = getattr(found[0] if isinstance(found, tuple) else found, name)
    return found


def hint(key: str) -> Any:  # noqa: ANN401  annotations are of no one type
    section, _, name = key.rpartition(".")
    if section in SEVERAL:
        return get_type_hints(get_args(hint(section))[0])[name]
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

SYNOPSIS, VERB_TEXT, SHARED, EXIT_STATUS, SAMPLES = re.split(
    r"^(?:DESCRIPTION\n[\s\S]*?^   Verbs|   Options of several verbs|SIGNALS\n[\s\S]*?^EXIT STATUS|EXAMPLES)$",
    shown(PAGES[0]).partition("\nSYNOPSIS\n")[2].partition("\nDIAGNOSTICS\n")[0],
    flags=re.MULTILINE,
)
TOLD = dict(re.findall(r"^ {5}([a-z-]+)\n((?:(?: {9}.*)?\n)*)", VERB_TEXT, flags=re.MULTILINE))
"""What is said of each verb."""


def items(text: str, indent: int, deeper: int) -> dict[str, str]:
    """Return what is said of each option, by its name and value as `--help` writes them: "--wait SECONDS"."""
    found = re.findall(rf"^ {{{indent}}}(\S.*)\n((?: {{{deeper}}}.*\n)+)", text, flags=re.MULTILINE)
    return {
        re.sub(r"\b(?<!-)[a-z]+(?=$| \[| \.\.\.\])", lambda value: value[0].upper(), name): " ".join(said.split())
        for name, said in found
    }


def sentence(text: str) -> str:
    """Return what `--help` says, as the page begins to say it."""
    return text[0].upper() + text[1:]


def test_every_verb_stands_in_the_page_in_order_and_no_other() -> None:
    assert re.findall(r"^ {5}milter64 ([a-z][a-z-]+)", SYNOPSIS, flags=re.MULTILINE) == list(VERBS)
    assert list(TOLD) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_said_of_a_verb_begins_as_its_help_does(verb: str) -> None:
    assert " ".join(TOLD[verb].split()).startswith(sentence(VERBS[verb]))


@pytest.mark.parametrize("verb", VERBS)
def test_the_synopsis_of_a_verb_is_the_usage_that_its_help_shows(verb: str) -> None:
    (line,) = re.findall(rf"^ {{5}}milter64 ({verb}\b.*)$", SYNOPSIS, flags=re.MULTILINE)
    assert line == helptext.usage(helptext.shown(verb)).lower()


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_verb_is_told_of_in_the_words_of_its_help_and_no_other(verb: str) -> None:
    options = helptext.options(helptext.shown(verb))
    del options["-h, --help"]
    own, shared = items(TOLD[verb], 9, 13), items(SHARED, 5, 9)
    assert own.keys() & shared.keys() == set()
    assert options.keys() - shared.keys() == own.keys()
    told = own | shared
    assert {name: told[name][: len(said)] for name, said in options.items()} == {
        name: sentence(said) for name, said in options.items()
    }


def test_no_shared_option_is_one_that_a_single_verb_takes() -> None:
    taken = [name for verb in VERBS for name in helptext.options(helptext.shown(verb))]
    assert [name for name in items(SHARED, 5, 9) if taken.count(name) < 2] == []


def codes(text: str) -> dict[str, str]:
    found = re.findall(r"^ {2,}(\d+) +((?:\S.*\n)(?: {5,}(?!\d).*\n)*)", text, flags=re.MULTILINE)
    return {code: " ".join(meaning.split()).rstrip(".").lower() for code, meaning in found}


def test_the_exit_codes_are_those_that_help_lists() -> None:
    listed = codes(helptext.section("exit codes (sysexits.h)", helptext.shown()))
    assert listed
    assert codes(EXIT_STATUS) == listed


def test_each_example_is_one_of_help() -> None:
    found = re.findall(r"^ {11}(milter64 (?:.*\\\n)*.*)$", SAMPLES, flags=re.MULTILINE)
    known = {" ".join(example.split()) for verb in VERBS for example in helptext.examples(helptext.shown(verb))}
    assert len(found) == 3
    assert {" ".join(example.split()) for example in found} - known == set()
