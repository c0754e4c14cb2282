"""A real Postfix's lines about a client, as `milter64 explain` reads them when they are pasted."""

import re

from milter64.cli import log_line
from milter64.cli.log_line import LogLine
from rig.lab import Lab
from rig.mail import Mail
from rig.process import until
from rig.stage import set_stage
from rig.world import HONEST, STRANGER, ZONES, behind

FORGED = Mail(token="forged", address=behind(STRANGER), helo="stranger.example")
SENT = Mail(token="sent", address=behind(HONEST))


def test_what_postfix_and_we_write_of_a_mail_says_the_same(lab: Lab) -> None:
    stage = set_stage(lab, ZONES)
    assert FORGED.send(stage).code == 550
    assert SENT.send(stage).code == 250
    theirs = until(lambda: re.findall(r".* NOQUEUE: milter-reject: RCPT from .*", stage.postfix.output), "their line")
    FORGED.logged(stage, "rejected")
    [ours] = [line for line in stage.milter.output.splitlines() if "event=rejected" in line or '"rejected"' in line]
    said = LogLine(
        client=FORGED.address, helo=FORGED.helo, sender=FORGED.sender, recipients=(FORGED.recipient,), ours=True
    )
    assert log_line.read(ours) == said
    read = log_line.read(theirs[0])
    assert (read.client, read.helo, read.sender, read.recipients) == (
        said.client,
        said.helo,
        said.sender,
        said.recipients,
    )
    accepted = until(lambda: re.findall(r".*: client=.*", stage.postfix.output), "the line of what was accepted")
    assert log_line.read(accepted[0]).client == SENT.address
