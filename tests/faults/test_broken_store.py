"""A greylist whose file can't be used: mail flows on, one line says so, and greylisting returns with the file."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from secrets import token_hex

import pytest

from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import SqliteStore
from rig.direct import Message, judges_rightly
from rig.disk import full, missing, mounted, read_only
from rig.lab import Lab
from rig.milterclient import Reply
from rig.nsd import Nsd
from rig.process import until
from rig.rows import corpses, damage
from rig.service import Milter64
from rig.world import NAMELESS, ZONES, behind

pytestmark = pytest.mark.long


class Greylister:
    """milter64 with its rows in a file, and a client without a name, whom it greylists."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        nsd = lab.start(Nsd, ZONES)
        store = f'[greylist]\nstore = "sqlite:{folder}/rows.sqlite"\ndelay = "1s"\n'
        settings = f'{store}\n[dns]\nnameservers = ["{nsd.server}"]\n[milter]\nworkers = 1\n'
        self.milter = lab.start(Milter64, settings)

    def first_try(self, recipient: str = "") -> Reply:
        """Send to a recipient that it has never sent to before."""
        recipient = recipient or f"{token_hex(4)}@lab.example"
        message = Message(address=behind(NAMELESS), helo="none.example", sender="a@none.example", recipient=recipient)
        reply = message.send(self.milter)
        assert reply.action == "continue" or reply.text.startswith("450 4.7.1 Greylisted (Reverse DNS permerror)")
        return reply

    def greylists(self) -> bool:
        """Whether a first try is put off, and the retry passes."""
        recipient = f"{token_hex(4)}@lab.example"
        if self.first_try(recipient).action == "continue":
            return False
        until(lambda: self.first_try(recipient).action == "continue", "the retry to pass")
        self.milter.wait_log(lambda line: recipient in line.get("to", "") and line["greylist"] == "passed")
        return True

    @property
    def troubles(self) -> list[str]:
        """What the admin has been warned of."""
        return [line["trouble"] for line in self.milter.log if "trouble" in line]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk") as folder:
        yield folder


def test_a_file_that_cannot_even_be_looked_for_stops_no_service(lab: Lab, tmp_path: Path) -> None:
    greylister = Greylister(lab, tmp_path / ("x" * 300))  # as a folder whose owner has changed
    assert greylister.first_try().action == "continue"
    greylister.milter.wait_log(lambda line: "File name too long" in line.get("trouble", ""))


def test_a_file_that_is_corrupt_at_start_is_moved_aside(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "rows.sqlite").write_bytes(b"no database" * 1000)
    greylister = Greylister(lab, tmp_path)
    assert greylister.greylists()
    [aside] = corpses(tmp_path / "rows.sqlite")
    assert greylister.troubles == [
        f"{tmp_path}/rows.sqlite is corrupt (file is not a database): moved to {aside}, and a fresh one begun"
    ]


def test_a_file_that_is_damaged_while_it_is_used_is_moved_aside(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    store = SqliteStore(path, RecordKind(Settings()), pytest.fail)
    for number in range(2048):  # rows between which those to come will fall, so that many pages are read anew
        key = pair_key("a@none.example", f"{number << 21:08x}@lab.example")
        store.merge(key, {"net:192.0.2.0/24": Record(generation=0, first_seen=time.time())})
    store.close()
    greylister = Greylister(lab, tmp_path)
    assert greylister.greylists()
    damage(path)
    until(lambda: greylister.first_try() and corpses(path), "the damage to be found")
    assert until(greylister.greylists)
    assert judges_rightly(greylister.milter)
    [trouble] = greylister.troubles
    assert f"{path} is corrupt" in trouble


@pytest.mark.parametrize(
    ("trouble", "words"),
    [(read_only, "Read-only file system"), (full, "disk is full"), (missing, "there is no store yet")],
    ids=["read-only", "full", "missing"],
)
def test_a_folder_that_is_of_no_use_at_start_delays_nobody_until_it_is(
    trouble: Callable[[Path], AbstractContextManager[Path]], words: str, lab: Lab, disk: Path
) -> None:
    with trouble(disk) as folder:
        greylister = Greylister(lab, folder)
        assert greylister.first_try().action == "continue"
        assert greylister.milter.wait_log(lambda line: line["event"] == "accepted")["greylist"] == "unkept"
        assert judges_rightly(greylister.milter)
    until(greylister.greylists, "greylisting to begin")
    [only] = greylister.troubles
    assert "nobody is greylisted until" in only
    assert words in only


def test_a_disk_that_fills_up_delays_nobody_until_there_is_room_again(lab: Lab, disk: Path) -> None:
    greylister = Greylister(lab, disk)
    assert greylister.greylists()
    with full(disk):
        until(lambda: greylister.first_try().action == "continue", "the store to be gone")
        assert greylister.first_try().action == "continue"
        assert judges_rightly(greylister.milter)
    until(greylister.greylists, "greylisting to go on")
    [only] = greylister.troubles
    assert only.startswith("the store can't be used, and nobody is greylisted until it can")
    assert "full" in only


def test_what_all_workers_see_of_the_store_is_told_once_with_its_remedy(lab: Lab, tmp_path: Path) -> None:
    nowhere = tmp_path / "missing"
    milter = lab.start(Milter64, f'[milter]\nworkers = 4\n[greylist]\nstore = "sqlite:{nowhere}/rows.sqlite"\n')
    milter.wait_log(lambda line: line["event"] == "ready")
    milter.stop()  # each tries once more
    [trouble] = [line["trouble"] for line in milter.log if line["event"] == "greylist"]
    remedy = f"no folder {nowhere}; run `install -d -o root {nowhere}`"
    assert trouble == f"there is no store yet, and nobody is greylisted until there is: {remedy}"
