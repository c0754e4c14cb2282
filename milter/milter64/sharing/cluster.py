"""A Redis Cluster: which master has which slots is asked each second, and each has a link of its own."""

import binascii
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Final

from milter64.sharing.addresses import Addresses
from milter64.sharing.dialling import dial
from milter64.sharing.interface import Command, Reply, ServersGone, Shard
from milter64.sharing.keys import PROBE
from milter64.sharing.line import said
from milter64.sharing.link import Link
from milter64.sharing.outage import OneOfThem, Outage
from milter64.sharing.seekers import Seeker
from milter64.sharing.server_url import Host, ServerUrl

_SLOTS = 16384
_MOST_MASTERS = 1000
"""As many as the makers of Redis advise for a Cluster."""


class Cluster:
    """The Servers of a URL that names nodes of a Cluster."""

    together: Final = False

    def __init__(self, url: ServerUrl, outage: Outage, addresses: Addresses) -> None:
        """Ask behind who has what."""
        self._url, self._outage, self._addresses = url, outage, addresses
        self._lock = Lock()  # for what follows, which one thread writes
        self._links: dict[Host, Link] = {}
        self._of_slot: list[Link | None] = [None] * _SLOTS
        self._why = "the Cluster has not been asked yet"
        self._heard_last: Reply = None
        self._closed = False
        self._seeker = Seeker(
            lambda: [*dict.fromkeys([*self._links, *url.hosts])],
            partial(dial, url, addresses=addresses),
            ("CLUSTER", "SLOTS"),
            self._heard,
            self._silent,
        )
        self._seeker.start()

    @property
    def edition(self) -> int:
        """As Servers has it."""
        return self._outage.edition

    def send(self, key: str, commands: Sequence[Command]) -> Future[list[Reply]]:
        """As Servers has it."""
        return self._link(key).send(commands)

    def ask(self, key: str, commands: Sequence[Command]) -> list[Reply]:
        """As Servers has it."""
        return self._link(key).ask(commands)

    def shards(self) -> Sequence[Shard]:
        """As Servers has it."""
        if None in self._of_slot:
            raise ServersGone(self._why)
        links = list(self._links.values())
        if not all(link.works for link in links):
            raise ServersGone("a node is gone")
        return [link.send for link in links]

    def close(self) -> None:
        """As Servers has it."""
        self._seeker.close()
        with self._lock:
            self._closed = True
            links, self._links = self._links, {}
        for link in links.values():
            link.close()

    def _link(self, key: str) -> Link:
        if link := self._of_slot[slot(key)]:
            return link
        raise ServersGone(self._why)

    def _heard(self, asked: Host, reply: Reply) -> str:
        if isinstance(reply, Exception):
            return f"a node says: {said(reply)}"
        if reply == self._heard_last:
            return ""
        masters: dict[Host, list[range]] = {}
        for first, last, (name, port, *_), *_replicas in reply:
            host = name.decode() if name else asked[0], int(port)
            masters.setdefault(host, []).append(range(first, last + 1))
        if not 0 < len(masters) <= _MOST_MASTERS:
            return "a node knows no masters"
        self._changed(masters)
        self._heard_last = reply
        return ""

    def _changed(self, masters: dict[Host, list[range]]) -> None:
        """Make links to masters that are new, and let go of those that are none any more."""
        links: dict[Host, Link] = {}
        of_slot: list[Link | None] = [None] * _SLOTS
        self._why = "no node has this slot"
        for host, slots in masters.items():
            probe = _key_of(slots)
            if link := self._links.get(host):
                link.probe_with(probe)
            else:
                name = f"{host[0]}:{host[1]}"
                watcher = OneOfThem(self._outage, name, self._seeker.hurry)
                link = Link(partial(dial, self._url, host, self._addresses), probe, watcher)
            links[host] = link
            for each in slots:
                of_slot[each.start : each.stop] = [link] * len(each)
        with self._lock:
            if self._closed:
                gone = links
            else:
                gone = {host: link for host, link in self._links.items() if host not in links}
                self._links, self._of_slot = links, of_slot
        self._outage.forget("")
        for (name, port), link in gone.items():
            link.close()
            self._outage.forget(f"{name}:{port}")

    def _silent(self, why: str) -> None:
        if not self._links:
            self._why = f"no node answers: {why}"
            self._outage.down("", self._why)


def slot(key: str) -> int:
    """Return in which slot a key is: what stands in its first braces decides, or all of it."""
    _, found, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return binascii.crc_hqx((tag if found and closed and tag else key).encode(), 0) % _SLOTS


def _key_of(slots: Sequence[range]) -> str:
    """Return a key for probes that is in one of the slots."""
    number = 0
    while True:
        key = f"{PROBE}:{number}"
        at = slot(key)
        if any(at in each for each in slots):
            return key
        number += 1
