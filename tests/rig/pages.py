"""README.md and docs/ as tests read them."""

import re
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


def blocks(text: str, language: str) -> list[str]:
    """Return what stands in fences, ``` and the name of a language, whatever else follows it."""
    found = re.findall(rf"^ *```{language}\b.*\n((?:.*\n)*?) *```$", text, flags=re.MULTILINE)
    return [dedent(block) for block in found]


def commands(text: str, program: str) -> set[str]:
    """Return the first words that stand behind a program, in code."""
    code = "\n".join([*blocks(text, r"\w+"), *re.findall(r"^    .*$|`[^`\n]+`", text, flags=re.MULTILINE)])
    return set(re.findall(rf"(?:^ *|`|\$ |bin/){program}(?: -C \S+)? ([a-z][a-z-]+)", code, flags=re.MULTILINE))
