"""Several mail servers that share a greylist, each with a Postfix and in a network of its own, as a domain's MX are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import pytest

from rig.hosts import SharingHost
from rig.lab import Lab
from rig.nat64 import CLIENT_IPV6, SERVER_IPV4, SERVER_IPV6, Nat64
from rig.network import Namespace
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.redis import Redis
from rig.sites import Sites
from rig.smtp import Smtp
from rig.world import HONEST, behind

pytestmark = pytest.mark.long

ZONE = f"""
    dual.example. TXT "v=spf1 ip4:{HONEST} ip6:{CLIENT_IPV6} -all"
    plain.example. A 192.31.196.1
    strict.example. TXT "v=spf1 -all"
    ipv4only.arpa. A 192.0.0.170
    ipv4only.arpa. A 192.0.0.171
    """
LOCAL = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A mail server in its network; clients come through a translator where there is one."""

    network: Namespace
    milter: SharingHost
    postfix: Postfix
    path: Nat64 | None = None

    def offer(self, address: str, recipient: str, sender: str = "a@dual.example") -> int:
        """Return the code of the reply to a message from an address; one behind a translator comes over a real one."""
        if self.path and address == behind(HONEST):
            smtp = Smtp(SERVER_IPV4, self.postfix.port, network=self.path.client, source=HONEST)
        elif self.path and address == CLIENT_IPV6:
            smtp = Smtp(SERVER_IPV6, self.postfix.port, network=self.path.client, source=CLIENT_IPV6)
        else:
            smtp = Smtp("127.0.0.1", self.postfix.port, network=self.network)
            smtp.xclient(addr=address)
        with smtp as client:
            client.ehlo("mail.dual.example")
            return client.transaction(sender, [recipient]).code

    def standings(self, recipient: str) -> list[str]:
        """Return what it has logged of the greylist about a recipient."""
        return [line["greylist"] for line in self.milter.tries if recipient in line.get("to", "")]


@contextmanager
def mail_servers(lab: Lab, paths: Sequence[Nat64 | None], greylist: str = "") -> Iterator[list[MailServer]]:
    """Start mail servers that share, each with a path to it or none."""
    with Sites() as sites:
        network, address = sites.new()
        redis = lab.start(Redis, "protected-mode no", network=network, address=address, port=6379)
        servers = list[MailServer]()
        for path in paths:
            network = path.server if path else sites.new()[0]
            if path:
                sites.join(network)
            dns = lab.start(Nsd, {".": ZONE}, network=network)
            more = f'[dns]\nnameservers = ["{dns.server}"]\n[translation]\nprefixes = ["64:ff9b::/96"]\n'
            milter = lab.start(SharingHost, redis.url, more, greylist=greylist, network=network)
            addresses = (*LOCAL, SERVER_IPV6) if path else LOCAL
            postfix = lab.start(Postfix, milters=milter.milters, network=network, addresses=addresses)
            servers.append(MailServer(network=network, milter=milter, postfix=postfix, path=path))
        members = str(len(paths))
        until(lambda: redis.ask("HLEN", "milter64:1:{s}:members") == members, "all to share")
        yield servers


@pytest.fixture(scope="module")
def three() -> Iterator[list[MailServer]]:
    with Lab() as lab:
        paths = [lab.start(Nat64, "64:ff9b::/96", dual_stack=True) for _ in range(2)]
        with mail_servers(lab, [*paths, None]) as servers:
            yield servers
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure


WAYS = [
    (HONEST, HONEST),
    (CLIENT_IPV6, CLIENT_IPV6),
    (behind(HONEST), behind(HONEST)),
    (HONEST, behind(HONEST)),
    (CLIENT_IPV6, behind(HONEST)),
    (behind(HONEST), CLIENT_IPV6),
]


@pytest.mark.parametrize("way", range(len(WAYS)), ids=[f"{first} then {then}" for first, then in WAYS])
def test_a_first_try_at_one_and_the_retry_at_another_are_one_greylisting(three: list[MailServer], way: int) -> None:
    one, other, third = three
    (first, then), recipient = WAYS[way], f"way{way}@lab.example"
    assert one.offer(first, recipient) == 450
    row = f"<a@dual.example> <{recipient}>", "spf:dual.example"  # which comes behind the reply, when DNS was asked
    until(lambda: row in other.milter.rows, "the other to know it")
    until(lambda: other.offer(then, recipient) == 250, "the retry to pass")
    until(lambda: third.offer(HONEST, recipient) == 250, "the third to know that it has passed", seconds=1.5)
    assert one.standings(recipient) == ["new"]
    assert "new" not in until(lambda: other.standings(recipient), "its lines") + third.standings(recipient)


def test_what_a_sender_earns_and_loses_at_one_counts_at_all(lab: Lab) -> None:
    sender, numbers = "news@plain.example", count()
    with mail_servers(lab, [None, None], 'wave_through = 4\nwave_over = "0s"\n') as (one, other):

        def passes(server: MailServer, recipient: str = "") -> bool:
            return server.offer(HONEST, recipient or f"new{next(numbers)}@lab.example", sender) == 250

        def waits(server: MailServer) -> bool:
            return not passes(server)

        members = [f"member{number}@lab.example" for number in range(4)]
        assert [one.offer(HONEST, each, sender) for each in members] == [450] * 4
        for server, each in zip((one, other, one, other), members, strict=True):
            until(partial(passes, server, each), "a retry to pass")
        for server in (one, other):
            until(partial(passes, server), "it to be waved through")
        until(lambda: one.offer(HONEST, "new@lab.example", "a@strict.example") == 550, "it to be refused")
        for server in (one, other):
            until(partial(waits, server), "all to know that it has lost it", seconds=1.5)
