"""README.md and docs/ as tests read them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
EVERY = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]}
"""Each page's text, by its path."""


def page(name: str) -> str:
    """Return the text of docs/NAME.md."""
    return EVERY[f"docs/{name}.md"]


def chapter(text: str, title: str) -> str:
    """Return what stands under a heading, up to the next one."""
    (found,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^##|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    return str(found)


def table(text: str, head: str) -> list[list[str]]:
    """Return the rows, by cell, of the table whose head begins with `head`."""
    (rows,) = re.findall(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows.splitlines()]


def quoted(text: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", text)


@dataclass(frozen=True, kw_only=True)
class Block:
    """What stands between two fences, ```LANGUAGE NEEDS and ```, without the blanks that indent it in a list."""

    line: int
    language: str
    needs: str
    text: str


_FENCED = re.compile(r"^( *)```(\w*) ?(.*)\n((?:.*\n)*?)\1```$", flags=re.MULTILINE)


def fenced(text: str) -> Iterator[Block]:
    """Yield the blocks of a page."""
    for fence in _FENCED.finditer(text):
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(line=line, language=fence[2], needs=fence[3], text=dedent(fence[4]))


def unfenced(text: str) -> list[str]:
    """Return the first lines of blocks that are indented only, and so don't say what is in them."""
    return re.findall(r"(?<=\n\n) {4}.*$", _FENCED.sub("", text), flags=re.MULTILINE)


def blocks(text: str, language: str) -> list[str]:
    """Return what stands in fences of a language."""
    return [block.text for block in fenced(text) if block.language == language]


def commands(text: str, program: str) -> set[str]:
    """Return the first words that stand behind a program, in code."""
    code = "\n".join([*(block.text for block in fenced(text)), *re.findall(r"`[^`\n]+`", text)])
    return set(re.findall(rf"(?:^ *|`|\$ |bin/){program}(?: -C \S+)? ([a-z][a-z-]+)", code, flags=re.MULTILINE))
