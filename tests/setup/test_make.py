"""The Makefile says what it can do."""

import os
import re
import subprocess

from rig.deb import ROOT


def test_make_help_has_a_line_for_each_target_and_plain_make_prints_the_same() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    said = make("help")
    assert [line.split(maxsplit=2)[:2] for line in said] == [["make", target] for target in phony.split()]
    assert all(len(line.split()) > 3 and len(line) <= 80 for line in said)
    assert make() == said


def make(*targets: str) -> list[str]:
    """Return what make prints, as if no other make had called it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", "-C", str(ROOT), *targets]
    return subprocess.check_output(command, env=environment, text=True).splitlines()
