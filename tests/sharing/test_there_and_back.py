"""Hosts that have each had a greylist of their own begin to share, and end it: nobody is forgotten or delayed twice."""

from functools import partial
from pathlib import Path

import pytest

from rig.direct import Message
from rig.hosts import SharingHost
from rig.lab import Lab
from rig.process import until
from rig.redis import Redis
from rig.whole import all_alike
from rig.world import STRANGER, behind

pytestmark = pytest.mark.long

PASSED = Message(address=behind(STRANGER), sender="passed@honest.example")
WAITING = Message(address=behind(STRANGER), sender="waiting@honest.example")


class Host(SharingHost):
    """A service whose greylist is in a file, which it doesn't share at first."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "")
        self._configuration = self._kept("", "1s")

    def keep(self, url: str = "", delay: str = "1h") -> None:
        """Go on with other settings: what is in the file, shared over `url` if there is one."""
        self.become(self._kept(url, delay))

    def _kept(self, url: str, delay: str) -> str:
        own = f"sqlite:{self.store}"
        where = f'store = "{url}"\nlocal = "{own}"' if url else f'store = "{own}"'
        return f'[greylist]\n{where}\napply = "all"\ndelay = "{delay}"\n'

    def said_of(self, message: Message) -> str:
        """Offer a message, and return what is logged of it."""
        before = len(self.log)
        message.offer(self)
        lines = until(lambda: [line for line in self.log[before:] if "greylist" in line], "a line")
        return str(lines[0]["greylist"])

    def lets_in(self, message: Message) -> bool:
        """Offer a message, and return whether it may come in."""
        return message.offer(self).action == "continue"


def test_who_has_passed_or_waits_does_so_on_all_hosts_from_the_day_they_share_and_after_it(lab: Lab) -> None:
    redis, one, other = lab.start(Redis), lab.start(Host), lab.start(Host)
    assert one.said_of(PASSED) == "new"
    until(partial(one.lets_in, PASSED), "the retry to pass")
    one.keep()
    assert one.said_of(WAITING) == "new"
    one.keep(redis.url)
    other.keep(redis.url)
    until(lambda: one.pairs and all_alike([one, other], [redis.path]), "both to know all")
    for host in (other, one):
        assert (host.said_of(WAITING), host.lets_in(PASSED)) == ("waiting", True)
    for host in (one, other):
        host.keep()
    for host in (other, one):
        assert (host.said_of(WAITING), host.lets_in(PASSED)) == ("waiting", True)
        host.keep(delay="1s")
        until(partial(host.lets_in, WAITING), "the one that waits to pass")
    assert "new" not in {line["greylist"] for line in other.tries}
