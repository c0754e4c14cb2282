"""Commands about lists: whoever gives them, and where nothing can be written."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rig.direct import Message
from rig.disk import full, mounted, read_only
from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import until
from rig.service import Milter64
from rig.stage import MEMORY
from rig.world import HONEST, STRANGER, ZONES, behind

pytestmark = pytest.mark.long

OWNER, STRANGERS = 12345, 65534
NOBODY_SPECIAL = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""As root in a container that has none of root's capabilities."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk") as folder:
        yield folder


def command(file: Path, *words: str, user: int = 0, who: tuple[str, ...] = ()) -> tuple[int, str]:
    """Give a command as a user, or as a program says `who`, and return its exit code and what it says."""
    who = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups") if user else who
    verb, *rest = words
    done = subprocess.run(
        [*who, sys.executable, "-m", "milter64", verb, "--config", file, *rest],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_root_and_the_services_user_give_commands_and_nobody_else_reads_or_changes_anything(lab: Lab) -> None:
    folder, file = lab.folder / "state", lab.folder / "milter64.toml"
    file.write_text(f'greylist.store = "sqlite:{folder}/rows"\n')
    folder.mkdir(mode=0o750)
    os.chown(folder, OWNER, OWNER)
    for user, who in ((0, "@a.example"), (OWNER, "@b.example"), (0, "@c.example")):
        assert command(file, "allow", who, user=user)[0] == os.EX_OK
    assert command(file, "forget", "@a.example", user=OWNER)[0] == os.EX_OK
    (entries,) = folder.iterdir()
    found = entries.stat()
    assert (entries.read_text(), found.st_uid, found.st_mode & 0o777) == ("@b.example\n@c.example\n", OWNER, 0o640)
    trouble = f"{entries}: Permission denied; try it as root"
    for words in (["allow", "@d.example"], ["block", "@d.example"], ["forget", "@b.example"], ["list"]):
        code, said = command(file, *words, user=STRANGERS)
        assert code == os.EX_UNAVAILABLE
        assert trouble.replace("allow", "block" if words[0] in ("block", "forget") else "allow") in said
        assert "@b.example" not in said
        assert "nobody" not in said
    code, said = command(file, "allow", "@d.example", who=NOBODY_SPECIAL)
    assert code == os.EX_UNAVAILABLE
    assert said == f"milter64 allow: {entries}: Permission denied; try it as the service's user\n"
    code, said = command(file, "check-config", user=STRANGERS)
    assert code == os.EX_OK, "the configuration is right"
    assert said.count("can't be read: Permission denied; try it as root") == 2, "of each list"
    assert entries.read_text() == "@b.example\n@c.example\n"


@pytest.mark.parametrize(
    ("broken", "what"), [(full, "No space left on device"), (read_only, "Read-only file system")], ids=["full", "ro"]
)
def test_where_nothing_can_be_written_a_command_says_so_and_what_counted_counts_on(
    lab: Lab, disk: Path, broken: Callable[[Path], AbstractContextManager[Path]], what: str
) -> None:
    nsd = lab.start(Nsd, ZONES)
    file, ours, theirs = lab.folder / "commands.toml", disk / "rows.block", disk / "theirs"
    theirs.write_text(f"{STRANGER}\n")
    file.write_text(f'[greylist]\nstore = "sqlite:{disk}/rows"\n[block]\nfiles = ["{theirs}"]\n')
    assert command(file, "block", HONEST)[0] == os.EX_OK
    # Its own rows are elsewhere: while it has them open, nobody can make the disk read-only.
    settings = f'{MEMORY}[block]\nfiles = ["{ours}", "{theirs}"]\n[milter]\nworkers = 1\n'
    milter = lab.start(Milter64, f'{settings}[dns]\nnameservers = ["{nsd.server}"]\n')

    def blocked(address: str) -> bool:
        return "Blocked here" in Message(address=behind(address)).offer(milter).text

    assert blocked(HONEST)
    assert blocked(STRANGER)
    with broken(disk):
        before = sorted(each.name for each in disk.iterdir())
        code, said = command(file, "block", "192.0.2.0/24")
        assert (code, said) == (os.EX_UNAVAILABLE, f"milter64 block: {ours}: {what}\n")
        assert sorted(each.name for each in disk.iterdir()) == before
        assert command(file, "list")[1].count("block ") == 2
        assert blocked(HONEST)
        assert blocked(STRANGER)
    assert command(file, "forget", HONEST)[0] == os.EX_OK
    until(lambda: not blocked(HONEST), "the entry to be gone")
    assert blocked(STRANGER)
    assert [line for line in milter.log if line["level"] != "info"] == []
