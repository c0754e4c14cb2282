"""Nameservers to ask by text, for the tests of them and of their breaker."""

from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from threading import Thread
from threading import enumerate as threads

import dns.name
import pytest

from milter64.dns.message import Response
from milter64.dns.nameserver import nameserver
from milter64.dns.nameservers import Nameservers
from milter64.dns.side_by_side import alone
from milter64.dns.unanswered import Unanswered
from rig.clock import Clock
from rig.dnsserver import DnsServer, Fault

GOOD = "good.example"
SLOW = "slow.example"
RECORDS = {GOOD: {"A": ["192.0.2.1"]}, SLOW: {"A": ["192.0.2.2"]}}
TIMEOUT = 0.25
"""Seconds for one try: far more than loopback takes, and short enough to wait for."""
PATIENCE = 5.0


def exchange(nameservers: Nameservers, name: str, deadline: float, rdtype: str = "A") -> Response:
    """Return what comes of one question."""
    return alone(nameservers.exchange(dns.name.from_text(name).to_digestable(), rdtype, deadline))


class Asked:
    """Nameservers to ask by text, and the breaker's news."""

    def __init__(self, clock: Clock, *servers: str, timeout: float = TIMEOUT, capacity: int = 2**19) -> None:
        self.news = Queue[bool]()
        self._clock = clock
        self.nameservers = Nameservers(
            [nameserver(server) for server in servers],
            timeout,
            on_breaker=self.news.put,
            clock=clock,
            capacity=capacity,
        )

    def exchange(self, name: str, seconds: float = PATIENCE, rdtype: str = "A") -> Response:
        return exchange(self.nameservers, name, self._clock() + seconds, rdtype)

    def fails(self, name: str, seconds: float = PATIENCE) -> str:
        """Say why there is no answer."""
        return str(self.failure(name, seconds))

    def failure(self, name: str, seconds: float = PATIENCE) -> Unanswered:
        """Return why there is no answer."""
        with pytest.raises(Unanswered) as caught:
            self.exchange(name, seconds)
        return caught.value


def time_out_beside_an_answer(asked: Asked, server: DnsServer, name: str) -> None:
    """Let a name time out while the nameserver answers about another."""
    server.faults[name] = Fault.SILENT
    with ThreadPoolExecutor() as pool:
        seen = len(server.queries)
        silence: Future[str] = pool.submit(asked.fails, name)
        assert server.received(seen + 1)
        asked.exchange(GOOD)
        assert silence.result(PATIENCE).startswith("no answer")


def probes() -> list[Thread]:
    """Return the threads that probe nameservers now."""
    return [thread for thread in threads() if thread.name == "dns-probe"]


def join_probes() -> None:
    """Wait till every breaker has closed, or has not opened after all."""
    for thread in probes():
        thread.join(PATIENCE)
        assert not thread.is_alive()
