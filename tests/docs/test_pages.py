"""What README.md and docs/ show is so: their examples, transcripts and links."""

import re
import shlex
from collections.abc import Iterator

import pytest

from milter64.cli.main import VERBS, main
from milter64.config import load_file
from milter64.config.load_file import parse
from rig.lab import Lab
from rig.nsd import Nsd
from rig.pages import EVERY, ROOT, blocks, commands

TOML = [pytest.param(text, id=f"{name} {n}") for name in EVERY for n, text in enumerate(blocks(EVERY[name], "toml"))]
ASKING = ("$ milter64 explain ", "$ milter64 translate ")
CONSOLE = [
    pytest.param(*text.partition("\n")[::2], id=f"{name} {n}")
    for name in EVERY
    for n, text in enumerate(blocks(EVERY[name], "console"))
    if text.startswith(ASKING)
]
"""Commands, each with its output."""
ZONES = {
    ".": """
        honest.example. TXT "v=spf1 ip4:192.31.196.10 -all"
        mail.honest.example. A 192.31.196.10
        mail.honest.example. TXT "v=spf1 a -all"
        10.196.31.192.in-addr.arpa. PTR mail.honest.example.
        ipv4only.arpa. A 192.0.0.170
        ipv4only.arpa. A 192.0.0.171
        """,
}


@pytest.mark.parametrize("text", TOML)
def test_an_example_of_a_configuration_is_valid(text: str) -> None:
    assert parse(text)[1] == []


@pytest.mark.parametrize(("command", "output"), CONSOLE)
def test_a_command_prints_what_is_shown(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    output: str,
) -> None:
    nsd = lab.start(Nsd, ZONES)
    file = lab.folder / "milter64.toml"
    file.write_text(f'milter.authserv_id = "mx.example.org"\ndns.nameservers = ["{nsd.server}"]\n')
    monkeypatch.setattr(load_file, "DEFAULT", file)
    prompt, program, *words = shlex.split(command)
    assert (prompt, program, main(words)) == ("$", "milter64", 0)
    assert list(timeless(capsys.readouterr().out)) == list(timeless(output))


def timeless(output: str) -> Iterator[list[str]]:
    """Yield the lines by word: a longer time makes a column wider."""
    for line in output.splitlines():
        yield re.sub(r"[\d.]+ m?s\b", "some s", line).split()


def test_every_verb_stands_in_the_pages_and_no_other() -> None:
    assert commands("\n".join(EVERY.values()), "milter64") == set(VERBS)


def anchors(text: str) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", EVERY)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name: str) -> None:
    for file, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]*))?\)", EVERY[name]):
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), file
        assert not anchor or anchor in anchors(path.read_text()), f"{file}#{anchor}"


@pytest.mark.parametrize("name", EVERY)
def test_a_page_keeps_to_120_columns(name: str) -> None:
    assert [line for line in EVERY[name].splitlines() if len(line) > 120] == []
