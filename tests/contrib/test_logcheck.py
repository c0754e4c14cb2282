"""logcheck's rule: what is routine stays out of its mails, and whatever else milter64 says is in them."""

import subprocess
from pathlib import Path

import pytest

from rig.direct import Message
from rig.fail2ban import WritingMilter64
from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import until
from rig.strangers import LINE, Lines
from rig.world import ZONES

pytestmark = pytest.mark.long

RULE = Path(__file__).parents[2] / "contrib" / "logcheck" / "ignore.d.server" / "milter64"
HEADS = ("2026-11-21T02:40:39.123456+00:00 mx milter64[12]: ", "Nov 21 02:40:39 mx milter64[12]: ")


def mailed(folder: Path, lines: Lines) -> Lines:
    """Return those lines that logcheck would mail, which is said by its own tool for rules."""
    log = folder / "log"
    log.write_text("".join(f"{line}\n" for line in lines))
    done = subprocess.run(
        ["logcheck-test", "--quiet", "--invert-match", "--log-file", str(log), "--rule-file", str(RULE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("head", HEADS)
def test_no_outcome_is_mailed_whatever_strangers_have_said(tmp_path: Path, lines: Lines, head: str) -> None:
    outcomes = [line for line in lines if "session" in line]  # and not what the guard has seen by now, which is news
    assert outcomes
    assert mailed(tmp_path, [f"{head}{line}" for line in outcomes]) == []


@pytest.mark.parametrize("layout", ["logfmt", "json"])
def test_trouble_is_mailed_and_start_reload_and_stop_are_not(tmp_path: Path, lab: Lab, layout: str) -> None:
    nsd = lab.start(Nsd, ZONES)
    settings = f'[greylist]\nstore = "sqlite:{tmp_path}/missing/store"\n[log]\nformat = "{layout}"\n'
    settings += f'[dns]\nnameservers = ["{nsd.server}"]\n'
    milter = lab.start(WritingMilter64, settings)
    until(lambda: "there is no store yet" in milter.lines.read_text(), "a warning")
    Message(address="127.0.0.1", helo=LINE).send(milter)
    milter.reload()
    until(lambda: "reloaded" in milter.lines.read_text(), "the reload")
    milter.stop()
    lines = milter.lines.read_text().splitlines()
    said = mailed(tmp_path, [f"{HEADS[0]}{line}" for line in lines])
    assert said
    assert all("warning" in line and "there is no store yet" in line for line in said)
    assert len(lines) - len(said) >= 5  # ready, an outcome, reloaded, stopping, stopped


def test_what_another_program_writes_is_mailed(tmp_path: Path, lines: Lines) -> None:
    others = [f"2026-11-21T02:40:39.123456+00:00 mx other[12]: milter64[12]: {line}" for line in lines]
    assert mailed(tmp_path, others) == others
