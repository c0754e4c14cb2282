"""Who has waited often enough is waved through: played with a real Postfix, by all the ways of one sender."""

from collections.abc import Iterable, Iterator
from itertools import count, cycle

import pytest

from rig.lab import Lab
from rig.smtp import Smtp
from rig.stage import Stage, set_stage, wait_out_the_delay
from rig.world import behind

SETTINGS = """
[greylist]
store = "memory:"
apply = "all"
delay = "1s"
wave_through = 4
wave_over = "0s"
"""
IPV4 = [f"192.31.196.{number}" for number in range(96, 126)]
IPV6 = [f"2001:db8:5::{number:x}" for number in range(1, 30)]
SENDERS = {
    "plain": "news@{domain}",
    "verp": "bounces-{number}-member{number}=lab.example@{domain}",
    "prvs": "prvs={number:04}abcdef=news@{domain}",
    "btv1": "btv1==0{number}3456789==news@{domain}",
    "msprvs1": "msprvs1=1784{number}Xyz=news@{domain}",
    "srs0": "SRS0=aB{number}d=7Q=elsewhere.example=joe@{domain}",
    "srs1": "SRS1=xY{number}z=other.example==aBcd=7Q=elsewhere.example=joe@{domain}",
}
PLACES: dict[str, Iterable[str]] = {
    "dual-stack": cycle([IPV6[0], IPV4[0]]),
    "nat64": cycle([behind(IPV4[1])]),
    "pool": IPV4[2:14] + IPV6[5:8],
}
"""Where a message may come from; the pool has fifteen addresses, and each is used once."""
ZONE = "\n".join(
    f'{way}-{place}.example. TXT "v=spf1 ip4:192.31.196.96/27 ip6:2001:db8:5::/64 -all"'
    for way in SENDERS
    for place in PLACES
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Lab() as lab:
        yield set_stage(lab, {".": f'{ZONE}\nshared.example. TXT "v=spf1 +all"\n'}, SETTINGS)


class Sender:
    """One who writes to four members of a list, and then to others."""

    def __init__(self, stage: Stage, sender: str, places: Iterable[str]) -> None:
        self._stage, self._sender = stage, sender
        self._places, self._numbers = iter(places), count(1)

    def send(self, recipient: str) -> int:
        """Return the code of the reply to a recipient, or to the message's end."""
        with Smtp("127.0.0.1", self._stage.postfix.port) as client:
            client.xclient(addr=next(self._places))
            client.ehlo("mail.pool.example")
            return client.transaction(self._sender.format(number=next(self._numbers)), [recipient]).code

    def send_to_all(self, name: str, people: int = 4) -> list[int]:
        return [self.send(f"{name}{number}@lab.example") for number in range(people)]


@pytest.mark.parametrize("place", PLACES)
def test_a_sender_who_has_waited_for_four_recipients_waits_for_no_fifth(stage: Stage, place: str) -> None:
    senders = {
        way: Sender(stage, sender.replace("{domain}", f"{way}-{place}.example"), PLACES[place])
        for way, sender in SENDERS.items()
    }
    assert {way: each.send_to_all("member") for way, each in senders.items()} == dict.fromkeys(senders, [450] * 4)
    wait_out_the_delay()
    assert {way: each.send_to_all("member") for way, each in senders.items()} == dict.fromkeys(senders, [250] * 4)
    wait_out_the_delay()
    assert {way: each.send_to_all("newcomer", 7) for way, each in senders.items()} == dict.fromkeys(senders, [250] * 7)


def test_a_domain_for_which_all_the_world_may_send_earns_nothing(stage: Stage) -> None:
    shared = Sender(stage, "news@shared.example", IPV4[17:21] + IPV4[17:21] + IPV4[21:25])
    assert shared.send_to_all("member") == [450] * 4
    wait_out_the_delay()
    assert shared.send_to_all("member") == [250] * 4
    wait_out_the_delay()
    assert shared.send_to_all("newcomer") == [450] * 4
