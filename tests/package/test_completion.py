"""Completion in bash, zsh and fish: each is started, and asked what may stand at the end of a line."""

import importlib.util
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from milter64.cli.main import VERBS
from rig.pages import ROOT

pytestmark = pytest.mark.long

COMPLETION = ROOT / "packaging" / "completion"
PLACES = {
    "milter64": "bash-completion/completions",
    "_milter64": "zsh/vendor-completions",
    "milter64.fish": "fish/vendor_completions.d",
}
"""Where Debian's shells look below /usr/share."""

SAID = "milter64() { printf 'said:'; printf ' <%s>' \"$@\"; printf ' :end\\n'; }\nPS1=\n"
"""So the line that a shell has completed says which words it has."""
STARTS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        ". /usr/share/bash-completion/bash_completion\n",
        "\x1b*",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        (
            "fpath=($XDG_DATA_DIRS/zsh/vendor-completions $fpath)\nautoload -U compinit; compinit -u -D\n"
            "zstyle ':completion:all-matches::::' completer _all_matches _complete\n"
            "zstyle ':completion:all-matches:*' insert yes\n"
            "zle -C all-matches complete-word _generic\nbindkey -e '^Xa' all-matches\n"
        ),
        "\x18a",
    ),
}
"""How a shell is started, what it is told first, and the keys for: put all that you propose into the line."""


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """Return a folder that is laid out as /usr/share, beside one with two files and a folder."""
    for name, place in PLACES.items():
        (tmp_path / "share" / place).mkdir(parents=True)
        shutil.copy(COMPLETION / name, tmp_path / "share" / place)
    (tmp_path / "here" / "folder").mkdir(parents=True)
    for name in ("new.toml", "old one.toml"):
        (tmp_path / "here" / name).touch()
    return tmp_path / "share"


def proposed(shell: str, share: Path, line: str) -> list[str]:
    """Return, in order, what a shell would put in the place of a line's last word."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"  # fish asks nobody about a program that isn't there
    environment = {"PATH": path, "HOME": str(share), "TERM": "dumb", "LC_ALL": "C.UTF-8", "XDG_DATA_DIRS": str(share)}
    here = share.parent / "here"
    if shell == "fish":
        asked = ["fish", "--command", f"complete --do-complete '{line}'"]
        output = subprocess.check_output(asked, env=environment, cwd=here, text=True)
        return sorted(each.partition("\t")[0].rstrip("/") for each in output.splitlines())
    command, told, keys = STARTS[shell]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, env=environment, cwd=here, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            os.write(ours, f"{told}{SAID}{line}{keys}\n".encode())
            heard = b""
            while not (said := re.search(rb"said: <(.*)> :end", heard)):
                heard += os.read(ours, 4096)
        finally:
            process.kill()
            os.close(ours)
    *before, typed = line.split(" ")[1:]
    return sorted(word.rstrip("/") for word in said[1].decode().split("> <")[len(before) :] if word != typed)


def test_the_files_are_made_of_what_the_program_takes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("generate", COMPLETION / "generate.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.generate(tmp_path)
    for name in PLACES:
        assert (COMPLETION / name).read_text() == (tmp_path / name).read_text(), "run packaging/completion/generate.py"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("milter64 che", ["check-config"]),
        ("milter64 a", ["allow", "audit"]),
        ("milter64 discover --js", ["--json"]),
        ("milter64 block @partner.example --js", []),
        ("milter64 allow --sp", ["--spares"]),
        ("milter64 allow --spares ", ["all", "greylist", "spf"]),
        ("milter64 allow @partner.example --", ["--because", "--config", "--for", "--help", "--spares", "--until"]),
        ("milter64 check-config n", ["new.toml"]),
        ("milter64 check-config ", ["folder", "new.toml", "old one.toml"]),
        ("milter64 explain --config o", ["old one.toml"]),
        ("milter64 postfix --config-directory ", ["folder"]),
        ("milter64 allow --because lis", []),
        ("milter64 neighbours r", ["rspamd"]),
        ("milter64 neighbours ", ["rspamd", "spamassassin"]),
    ],
)
def test_a_shell_proposes_what_may_stand_there(share: Path, shell: str, line: str, wanted: list[str]) -> None:
    assert proposed(shell, share, line) == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_knows_all_verbs(share: Path, shell: str) -> None:
    assert set(VERBS) <= set(proposed(shell, share, "milter64 "))
