"""Two hosts, each with a service and a store of its own, that share a real server."""

import pytest

from rig.direct import Message
from rig.hosts import sharing
from rig.lab import Lab
from rig.process import until
from rig.redis import Redis
from rig.world import STRANGER, behind

PAIR = "<a@honest.example> <b@lab.example>"


@pytest.mark.parametrize("addresses", [(behind(STRANGER), STRANGER), (STRANGER, behind(STRANGER))])
def test_a_first_try_at_one_host_and_the_retry_at_the_other_are_one_greylisting(
    lab: Lab, addresses: tuple[str, str]
) -> None:
    one, other = sharing(lab, lab.start(Redis), 2)
    first, retry = (Message(address=address) for address in addresses)
    assert first.offer(one).action == "tempfail"
    until(lambda: PAIR in other.pairs, "the other to know it")
    until(lambda: retry.offer(other).action == "continue", "the retry to pass")
    assert [line["greylist"] for line in one.tries] == ["new"]
    assert "new" not in {line["greylist"] for line in other.tries}
