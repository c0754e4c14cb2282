"""What a service in observe mode has logged before a real Postfix, and what report says of that."""

from collections.abc import Iterator

import pytest

from rig.lab import Lab
from rig.process import until
from rig.reported import of_blocks
from rig.smtp import Smtp
from rig.stage import Stage, set_stage, wait_out_the_delay
from rig.world import ZONES

OBSERVING = """
mode = "observe"
[greylist]
store = "memory:"
apply = "all"
delay = "1s"
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Lab() as lab:
        yield set_stage(lab, ZONES, OBSERVING)


def send(stage: Stage, client: str, sender: str, recipient: str) -> None:
    with Smtp("127.0.0.1", stage.postfix.port) as smtp:
        smtp.xclient(addr=client)
        smtp.ehlo("mail.honest.example")
        assert smtp.transaction(sender, [recipient]).code == 250


def test_of_those_who_would_have_been_put_off_it_says_who_wrote_again(stage: Stage) -> None:
    send(stage, "192.31.196.10", "joe@honest.example", "again@lab.example")
    send(stage, "192.31.196.10", "joe@honest.example", "once@lab.example")
    send(stage, "192.31.196.40", "joe@honest.example", "forged@lab.example")
    wait_out_the_delay()
    send(stage, "192.31.196.10", "joe@honest.example", "again@lab.example")
    outcomes = until(
        lambda: [line for line in stage.milter.log if line["event"] == "accepted"][3:], "four outcomes in the log"
    )
    assert outcomes
    taken = of_blocks([stage.milter.output.encode()])
    assert [line["mode"] for line in stage.milter.log if line["event"] == "ready"] == ["observe"]
    assert taken.observes
    assert (taken.put_off, taken.came_back.count, len(taken.waiting)) == (3, 1, 2)
    assert taken.by("event")["accepted"] == 4
