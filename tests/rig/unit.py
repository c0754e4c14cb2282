"""milter64's unit for systemd, as its sections say it, and what of it can be proved without systemd."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rig.network import HERE

PATH = Path(__file__).parents[2] / "packaging" / "systemd" / "milter64.service"


def values(key: str) -> list[str]:
    """Return what the unit gives a key, line by line."""
    lines = [line.partition("=") for line in PATH.read_text().splitlines()]
    return [value for name, _, value in lines if name == key]


def keys(section: str) -> set[str]:
    """Return the keys of a section."""
    lines = PATH.read_text().partition(f"[{section}]\n")[2].partition("\n[")[0].splitlines()
    return {line.partition("=")[0] for line in lines if line and not line.startswith("#")}


def allowed(filters: Sequence[str]) -> set[str]:
    """Return the system calls that lines of SystemCallFilter allow, as systemd.exec(5) reads them."""
    calls = set(_expanded("@default"))
    for line in filters:
        names = {call for word in line.removeprefix("~").split() for call in _expanded(word)}
        calls = calls - names if line.startswith("~") else calls | names
    return calls


def _expanded(word: str) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    for line in HERE.run("systemd-analyze", "syscall-filter", word).splitlines()[1:]:
        if (name := line.strip()) and not name.startswith("#"):
            yield from _expanded(name)


def confined(calls: set[str], folder: Path) -> tuple[str, ...]:
    """Return a command that runs another with those system calls alone; all others are EPERM."""
    file = folder / "system-calls.json"
    file.write_text(json.dumps(sorted(calls)))
    return (sys.executable, str(Path(__file__).with_name("seccomp.py")), str(file))
