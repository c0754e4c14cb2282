"""What the guard's tests share: a DNS64, and a clock that stands still until it is moved."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from milter64.guard import guard
from rig.dnsserver import DnsServer
from rig.watched import INVENTED


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(INVENTED) as server:
        yield server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=10_000.0)
    monkeypatch.setattr(guard, "time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    return clock
