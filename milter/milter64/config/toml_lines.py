"""Where each key stands in a TOML text, and how deep it goes; tomllib says neither."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator

DEEPEST = 20
"""Tables and lists within each other; ours go four deep."""
_PART = r"""(?:[\w-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
LONG_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*(?:{_PART}[ \t]*\.[ \t]*){{200}}[\w\"'-]", re.MULTILINE)
"""A key of so many parts, which tomllib takes the square of their number for; no name of a zone has as many labels."""


def deepest_line(text: str) -> int:
    """Return the first line that has the most brackets and dots."""
    lines = text.split("\n")
    return max(range(len(lines)), key=lambda number: sum(map(lines[number].count, "[{.")), default=0) + 1


def depth(value: object) -> int:
    """Return how many tables and lists there are within each other, one more than `DEEPEST` for any more."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        containers = [each for each in level if isinstance(each, dict | list)]
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
        depth += bool(containers)
    return depth


_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?!")|"(?:\\.|[^"\\\n])*"'''
    r"""|'{3}.*?'{3}(?!')|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]""",
    re.DOTALL,
)
"""What tells where a statement ends: texts and comments, which may hold anything, brackets, ends of lines."""


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the statements of a valid text, each with the number of its first line."""
    depth = begin = 0
    line = first = 1
    for token in _TOKEN.finditer(text):
        line += token[0].count("\n")
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif token[0] == "\n" and not depth:
            yield first, text[begin : token.end()]
            begin, first = token.end(), line
    yield first, text[begin:]


def lines(text: str) -> dict[str, int]:
    """Return where each key of a valid text stands: {"spf.actions.fail": 12, "dnslist[2].zone": 20}.

    What is inside an array's brackets has no entry. tomllib says nothing of lines: so each statement is found, and
    parsed, by itself.
    """
    found: dict[str, int] = {}
    table: tuple[str, ...] = ()
    arrays = Counter[str]()
    for line, statement in _statements(text):
        paths = list(_paths(tomllib.loads(statement)))
        is_header = statement.lstrip().startswith("[")
        if statement.lstrip().startswith("[["):
            *above, last = paths[-1]
            arrays[name := ".".join(paths[-1])] += 1
            paths.append((*above, f"{last}[{arrays[name]}]"))
        for path in paths:
            found.setdefault(".".join(path if is_header else table + path), line)
        if is_header:
            table = paths[-1]
    return found


def _paths(value: object) -> Iterator[tuple[str, ...]]:
    """Return the paths of all keys, a table's before those in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (key,)
            yield from ((key, *path) for path in _paths(inner))
