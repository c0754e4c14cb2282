"""TOML into frozen dataclasses: all errors at once, each with its key, its line and its remedy.

A dataclass is its table's description: a field's name is the key, its annotation what may stand there, its default what
counts when nothing does. A float is seconds, written "90s", "5m", "48h" or "36d". An unknown key is an error. Where a
field's metadata have "read", that function makes its value; where they have "secret", a wrong value is not shown.
"""

import dataclasses
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

from milter64.config.problems import Problem
from milter64.config.toml_lines import DEEPEST, LONG_KEY, deepest_line, depth, lines
from milter64.config.toml_mistakes import mistake

Made = TypeVar("Made")


class Wrong(ValueError):  # noqa: N818  a value is wrong, the program is not
    """A value can't stand where it stands."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


Reader = Callable[[object], object]
"""Makes a value of what tomllib gives, or raises Wrong."""


def build(
    root: type[Made], text: str, readers: Mapping[type, Reader], words: Mapping[str, Iterable[str]]
) -> tuple[Made, list[Problem]]:
    """Return `root` made of a TOML text, and all that is wrong with it; where a value is wrong, its default stands.

    `readers` read types of one's own; `words` has, for the path of each table of words, those that it may hold.
    """
    if deep := LONG_KEY.search(text):
        return root(), [_too_deep(text.count("\n", 0, deep.start()) + 1)]
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where, what, remedy = mistake(str(error), text)
        return root(), [Problem(line=where, what=what, remedy=remedy)]
    except RecursionError:
        return root(), [_too_deep(deepest_line(text))]
    except ValueError:  # Python reads no number that long
        longest = max(_NUMBER.finditer(text), key=lambda number: len(number[0]), default=None)
        line = text.count("\n", 0, longest.start()) + 1 if longest else None
        return root(), [Problem(line=line, what="a number of thousands of digits", remedy="write a shorter one")]
    if depth(table) > DEEPEST:
        return root(), [_too_deep(deepest_line(text))]
    builder = _Builder(readers, words, list(keys(root)))
    return builder.build(root, table, ""), builder.problems


def keys(section: type, path: str = "") -> Iterator[str]:
    """Return the dotted names of all keys that a dataclass describes, tables apart."""
    for name, hint in get_type_hints(section).items():
        inner = tables(hint) or hint
        if _is_section(inner) and "read" not in _field(section, name).metadata:
            yield from keys(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def placed(problems: Iterable[Problem], text: str) -> list[Problem]:
    """Return a valid text's problems with their lines, and in their order; a key that isn't there has its table's."""
    where = lines(text)

    def line(key: str) -> int | None:
        above, dot, _ = key.rpartition(".")
        return where.get(key) or (line(above) if dot else where.get(key.partition("[")[0]))

    found = [dataclasses.replace(problem, line=line(problem.key)) for problem in problems]
    return sorted(found, key=lambda problem: problem.line or 0)


class _Builder:
    """Makes dataclasses of tables, and collects what is wrong with them in `problems`."""

    def __init__(self, readers: Mapping[type, Reader], words: Mapping[str, Iterable[str]], known: list[str]) -> None:
        self._readers = readers
        self._words = words
        self._known = known
        self.problems: list[Problem] = []

    def build(self, section: type[Made], table: Mapping[str, object], path: str) -> Made:
        hints = get_type_hints(section)
        values = {}
        for name, value in table.items():
            key = path + name
            if name not in hints:
                self._unknown(key, name, hints)
                continue
            metadata = _field(section, name).metadata
            with self._noting(key, secret="secret" in metadata):
                _expect_printable(value)
                read = metadata.get("read")
                values[name] = read(value) if read else self._read(hints[name], value, key)
        return section(**values)

    @contextmanager
    def _noting(self, key: str, *, secret: bool = False) -> Iterator[None]:
        try:
            yield
        except Wrong as wrong:
            what = "not possible here, and not shown, as there may be a secret in it" if secret else str(wrong)
            self.problems.append(Problem(key=key, what=what, remedy=wrong.remedy))

    def _unknown(self, key: str, name: str, siblings: Iterable[str]) -> None:
        homes = [known for known in self._known if known.rpartition(".")[2] == name]
        suggestion = _near(name, siblings, _PLURAL) or (homes[0] if len(homes) == 1 else _near(name, siblings))
        remedy = f'did you mean "{suggestion}"?' if suggestion else f"possible are {', '.join(siblings)}"
        if suggestion == name:
            remedy = "it belongs above the first [table]"
        self.problems.append(Problem(key=key, what="unknown key", remedy=remedy))

    def _read(self, hint: Any, value: object, key: str) -> object:  # noqa: ANN401  annotations are of no one type
        if get_origin(hint) is UnionType:  # TOML has no null: the None of `X | None` is the key's absence
            [hint] = set(get_args(hint)) - {NoneType}
        if hint in self._readers:
            return self._readers[hint](value)
        if _is_section(hint):
            return self.build(hint, _expect(dict, value, "a table"), f"{key}.")
        if inner := tables(hint):
            return self._read_tables(inner, value, key)
        if get_origin(hint) is tuple:
            return self._read_list(get_args(hint)[0], value, key)
        if get_origin(hint) is Mapping:
            return self._read_words(get_args(hint)[1], value, key)
        return _scalar(hint, value)

    def _read_tables(self, section: type, value: object, key: str) -> tuple[object, ...]:
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise Wrong("no list of tables", f"write [[{key}]] above each")
        return tuple(self.build(section, table, f"{key}[{number}].") for number, table in enumerate(value, 1))

    def _read_list(self, hint: Any, value: object, key: str) -> tuple[object, ...]:  # noqa: ANN401  as above
        made = []
        for element in _expect(list, value, 'a list, such as ["one", "two"]'):
            with self._noting(key):
                _expect_printable(element)
                made.append(self._read(hint, element, key))
        return tuple(made)

    def _read_words(self, hint: Any, value: object, key: str) -> Mapping[str, object]:  # noqa: ANN401  as above
        made = {}
        for word, element in _expect(dict, value, "a table").items():
            if word not in self._words[key]:
                self._unknown(f"{key}.{word}", word, self._words[key])
                continue
            with self._noting(f"{key}.{word}"):
                made[word] = self._readers[hint](element) if hint in self._readers else _scalar(hint, element)
        return made


def _is_section(hint: object) -> TypeGuard[type]:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def tables(hint: object) -> type | None:
    """Return the dataclass that describes each table of an array of them, None for what is no such array."""
    of = get_args(hint)[0] if get_origin(hint) is tuple else None
    return of if _is_section(of) else None


def _field(section: type, name: str) -> dataclasses.Field[object]:
    return next(field for field in dataclasses.fields(section) if field.name == name)


_LONGEST_NAME = 100


_PLURAL = 0.9
"""How like each other words are of which one has an "s" more."""


def _near(word: str, words: Iterable[str], least: float = 0.6) -> str | None:
    return next(iter(get_close_matches(word[:_LONGEST_NAME], list(words), 1, least)), None)


_DESCRIPTIONS = {bool: "true or false", int: "a whole number", str: 'a text in quotes, "so"'}


def _scalar(hint: Any, value: object) -> object:  # noqa: ANN401  annotations are of no one type
    if hint is float:
        return seconds(value)
    if get_origin(hint) is Literal:
        return _one_of(get_args(hint), value)
    if enums := [each for each in get_args(hint) or (hint,) if issubclass(each, Enum)]:
        members = {name.lower(): member for enum in enums for name, member in enum.__members__.items()}
        return members[_one_of(members, value)]
    return _expect(hint, value, _DESCRIPTIONS[hint])


def _one_of(words: Iterable[str], value: object) -> str:
    suggestion = _near(value, words) if isinstance(value, str) else None
    if isinstance(value, str) and value in words:
        return value
    remedy = f'did you mean "{suggestion}"?' if suggestion else f"possible are {', '.join(map(show, words))}"
    raise Wrong(f"{show(value)} is not possible here", remedy)


def _expect(kind: type[Made], value: object, description: str) -> Made:
    if type(value) is kind:  # to isinstance, true is an int
        return value
    raise Wrong(f"{show(value)} is of the wrong kind", f"write {description}")


def _expect_printable(value: object) -> None:
    if isinstance(value, str) and not value.isprintable():
        character = next(character for character in value if not character.isprintable())
        raise Wrong(f"{show(value)} holds the character U+{ord(character):04X}", "write it without")


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


_CENTURY = 36500 * 86400.0


def seconds(value: object) -> float:
    """Read a length of time, such as "90s".

    Raises:
        Wrong: it is none.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if not match:
        raise Wrong(f"{show(value)} is no length of time", 'write it with a unit, such as "90s", "5m", "48h" or "36d"')
    if (length := float(match[1]) * _UNITS[match[2]]) > _CENTURY:
        raise Wrong("a time of more than a hundred years", 'write no more than "36500d"')
    return length


_MOST_BITS = 400


def show(value: object) -> str:
    """Return a value as TOML writes it, or nearly so."""
    match value:
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > _MOST_BITS:
            return f"a number of {value.bit_length()} bits"
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(show, value))}]"
        case dict():
            return f"{{{', '.join(f'{key} = {show(inner)}' for key, inner in value.items())}}}"
        case _:
            return str(value)


def _too_deep(line: int) -> Problem:
    return Problem(line=line, what=f"nested more than {DEEPEST} deep", remedy="write tables as [spf], [spf.actions]")


_NUMBER = re.compile(r"[0-9_]+")
