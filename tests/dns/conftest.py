"""What the tests of DNS share: servers on loopback, with the records of their module if it has its own, and a clock."""

from collections.abc import Callable, Iterator

import pytest

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.dns.lookup import Answer
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings
from rig import asking, zone
from rig.clock import Clock
from rig.dnsserver import DnsServer

_RECORDS = {**zone.RECORDS, **asking.RECORDS}


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[DnsServer]:
    with DnsServer(getattr(request.module, "RECORDS", _RECORDS)) as running:
        yield running


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator[DnsServer]:
    with DnsServer(getattr(request.module, "RECORDS", _RECORDS)) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ask(server: DnsServer, clock: Clock) -> Callable[..., Answer]:
    """Ask one resolver, with five seconds' time unless told otherwise."""
    settings = Settings(nameservers=(server.address,), timeout=1.0)
    resolver = Resolver(settings, Translator([Prefix("2001:db8:64::/96")]), clock=clock)
    return lambda name, rdtype, seconds=5.0, lasting=0.0: resolver.ask(name, rdtype, clock() + seconds, lasting)
