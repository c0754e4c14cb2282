"""What `--help` prints, and what people read there."""

import io
import re
from contextlib import redirect_stdout, suppress

from milter64.cli.main import main


def shown(verb: str = "") -> str:
    """Return what `milter64 VERB --help` prints, or `milter64 --help`."""
    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        main([*filter(None, [verb]), "--help"])
    return printed.getvalue()


def section(title: str, text: str) -> str:
    """Return what stands under a heading; nothing if that isn't there."""
    found = re.search(rf"^{re.escape(title)}:\n((?:  .*\n)*)", text, flags=re.MULTILINE)
    return found[1] if found else ""


def usage(text: str) -> str:
    """Return the usage on one line, without the program and `-h`."""
    words = " ".join(text.partition("\n\n")[0].split())
    return words.removeprefix("usage: milter64 ").replace(" [-h]", "")


def options(text: str) -> dict[str, str]:
    """Return what is said of each option and argument, by its name and value: "--wait SECONDS"."""
    listed = section("positional arguments", text) + section("options", text)
    entries = re.split(r"^  (?=\S)", listed, flags=re.MULTILINE)[1:]
    pairs = (re.split(r" {2,}|\n", entry, maxsplit=1) for entry in entries)
    return {name: " ".join(said.split()) for name, said in pairs}


def examples(text: str) -> list[str]:
    """Return the commands of the examples, as they stand there."""
    return re.findall(r"^    (milter64 (?:.*\\\n)*.*)$", section("examples", text), flags=re.MULTILINE)
