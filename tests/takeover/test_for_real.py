"""Switching: what real programs wrote is imported by command, and a real service goes on from there."""

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from subprocess import run

import pytest

from rig.direct import Message
from rig.lab import Lab
from rig.network import HERE
from rig.postgrey import Postgrey
from rig.service import Milter64
from rig.world import HONEST, STRANGER, behind

pytestmark = pytest.mark.long

DAY, MINUTE = 86_400.0, 60.0
TO = "b@lab.example"


def service(lab: Lab, delay: str = "60s") -> Milter64:
    folder = lab.folder / "store"
    folder.mkdir()
    text = '[greylist]\nstore = "sqlite:{0}/rows"\napply = "all"\ndelay = "{1}"\n'
    return lab.start(Milter64, text.format(folder, delay))


def imported(milter: Milter64, path: Path, *options: str) -> str:
    """Import a file, and return what is said, of what is left out too."""
    words = ("greylist", "import", "--file", str(path), *options, "--config", str(milter.file))
    done = run([sys.executable, "-m", "milter64", *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def answer(milter: Milter64, client: str, sender: str, recipient: str = TO) -> str:
    return Message(address=client, sender=sender, recipient=recipient).offer(milter).action


def test_who_has_passed_postgrey_passes_who_waits_keeps_his_wait_and_others_wait(lab: Lab) -> None:
    postgrey, now = lab.start(Postgrey), float(int(time.time()))
    for at in (now - 3 * DAY, now - 2 * DAY):
        assert postgrey.ask(at, HONEST, "passed@honest.example", TO) in {"DEFER_IF_PERMIT", "PREPEND"}
    postgrey.ask(now - 2 * MINUTE, HONEST, "waited@honest.example", TO)
    postgrey.ask(now, HONEST, "waits@honest.example", TO)
    postgrey.stop()
    milter = service(lab)
    assert "3 rows imported: 1 that have passed, 2 that wait" in imported(milter, postgrey.rows)
    client = behind(HONEST)
    assert answer(milter, client, "passed@honest.example") == "continue"
    assert answer(milter, client, "waited@honest.example") == "continue"
    assert answer(milter, client, "waits@honest.example") == "tempfail"
    assert answer(milter, client, "new@honest.example") == "tempfail"
    assert answer(milter, behind("192.31.195.1"), "passed@honest.example") == "tempfail"
    shown = HERE.run(
        *(sys.executable, "-m", "milter64", "greylist", "list", "--from", "waits@honest.example", "--json"),
        *("--config", str(milter.file)),
    )
    assert datetime.fromisoformat(json.loads(shown)["since"]).timestamp() == now


def test_who_postgrey_knew_by_his_single_address_is_decoded(lab: Lab) -> None:
    postgrey, now = lab.start(Postgrey, "--lookup-by-host"), float(int(time.time()))
    for at in (now - 3 * DAY, now - 2 * DAY):
        postgrey.ask(at, behind(STRANGER), "passed@honest.example", TO)
    postgrey.stop()
    milter = service(lab)
    imported(milter, postgrey.rows)
    assert answer(milter, STRANGER, "passed@honest.example") == "continue"


def test_a_client_that_postgrey_lets_in_without_delay_is_waved_through(lab: Lab) -> None:
    postgrey, now = lab.start(Postgrey), float(int(time.time()))
    for hours, name in enumerate(("ann", "bob", "carla", "dave", "emma")):
        first = now - 3 * DAY + hours * 7200
        for at in (first, first + 10 * MINUTE):
            postgrey.ask(at, HONEST, f"{name}@honest.example", TO)
    assert postgrey.ask(now - DAY, HONEST, "new@honest.example", "new@lab.example") == "DUNNO"
    postgrey.stop()
    milter = service(lab)
    assert "2 by which networks and domains earn not to wait" in imported(milter, postgrey.clients)
    assert answer(milter, behind(HONEST), "new@honest.example", "new@lab.example") == "continue"
    assert answer(milter, behind(STRANGER), "new@honest.example", "new@lab.example") == "tempfail"


def test_a_postgrey_that_runs_is_told_and_what_db_dump_reads_of_it_is_imported(lab: Lab) -> None:
    postgrey, now = lab.start(Postgrey), float(int(time.time()))
    for at in (now - 3 * DAY, now - 2 * DAY):
        postgrey.ask(at, HONEST, "passed@honest.example", TO)
    milter = service(lab)
    said = imported(milter, postgrey.rows)
    assert "postgrey is running" in said
    assert "nothing was imported" in said
    command = f"db_dump -p -h {postgrey.rows.parent} postgrey.db"
    assert command in said
    text = lab.folder / "rows.txt"
    text.write_text(HERE.run(*command.split()))
    assert "1 rows imported" in imported(milter, text)
    assert answer(milter, behind(HONEST), "passed@honest.example") == "continue"


@pytest.mark.parametrize("options", [["--privacy"], []], ids=["hashed", "all of IPv4"])
def test_what_postgrey_can_not_tell_is_said(lab: Lab, options: list[str]) -> None:
    postgrey, now = lab.start(Postgrey, *options), float(int(time.time()))
    for number in range(12):
        postgrey.ask(now - MINUTE, behind(HONEST), f"{'x' * (number + 1)}@honest.example", TO)
    postgrey.stop()
    said = imported(service(lab), postgrey.rows)
    assert ("--privacy" if options else "any IPv4 address may stand behind it") in said
    assert "and 2 more" in said
    assert "0 rows imported" in said
