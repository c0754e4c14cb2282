"""Two hosts, each with a service and a store of its own, that share a real server."""

import pytest

from rig.direct import Message
from rig.hosts import SharingHost, sharing
from rig.lab import Lab
from rig.process import until
from rig.redis import Redis
from rig.verbs import said
from rig.world import STRANGER, behind

pytestmark = pytest.mark.long

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


def command(host: SharingHost, *words: str) -> None:
    said(*words, "--config", host.file)


def test_what_a_command_says_on_one_host_counts_on_the_other(lab: Lab) -> None:
    one, other = sharing(lab, lab.start(Redis), 2)
    message = Message(address=behind(STRANGER))
    assert message.offer(other).action == "tempfail"
    command(one, "allow", "192.31.196.0/24", "--because", "a partner")
    until(lambda: message.offer(other).action == "continue", "the entry to count on the other host")
    command(other, "forget", "192.31.196.0/24")
    command(other, "block", "192.31.196.40")
    until(lambda: message.offer(one).text.startswith("550"), "the other entry to count on the first host")
    assert "192.31.196.40" in said("list", "--config", one.file)


@pytest.mark.parametrize("exact", [False, True])
def test_one_limit_holds_over_both_hosts(lab: Lab, exact: bool) -> None:  # noqa: FBT001  a parameter of the test
    rate = f'[rate]\nexact = {str(exact).lower()}\nsessions = {{ "ipv4/32" = "200/1h" }}\n'
    hosts = sharing(lab, lab.start(Redis), 2, rate)
    until(lambda: all(host.log for host in hosts), "both to serve")
    replies = [Message(address=behind(STRANGER)).offer(hosts[n % 2]) for n in range(300)]
    let_in = sum(not reply.text.startswith("421") for reply in replies)
    assert 200 <= let_in <= (202 if exact else 220)
