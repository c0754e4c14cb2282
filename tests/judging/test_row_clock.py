import time

import pytest

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.judging import row_clock
from milter64.judging.row_clock import RowClock
from milter64.store.memory_store import MemoryStore

LEAP = 36 * 86400.0
NOW, IN_2099, IN_1970 = 1795000000.0, 4070908800.0, 1000.0


class Host:
    """A host's clocks: `wall` is what the service was started at, `boot` goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot = 50.0
        self._patch = monkeypatch
        self.start_service(NOW)
        monkeypatch.setattr(time, "clock_gettime", lambda _: self.boot)

    def start_service(self, wall: float) -> None:
        self._patch.setattr(row_clock, "BOOTED", wall - self.boot)

    def step(self, seconds: float) -> None:
        self._patch.setattr(time, "time", lambda: NOW + seconds)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


class Told(MemoryStore[Record]):
    """A store that says what it is told to."""

    said: float | None = None
    lost = False

    def latest(self) -> float | None:
        return self.said

    @property
    def gone(self) -> bool:
        return self.lost


@pytest.fixture
def store() -> Told:
    return Told(RecordKind(Settings()))


@pytest.mark.parametrize("step", [0.0, 86400.0, -86400.0, IN_2099 - NOW, -NOW])
def test_row_time_goes_on_whatever_is_done_to_the_clock_and_is_every_workers(
    host: Host, store: Told, step: float
) -> None:
    now = RowClock(store, LEAP)
    assert now() == NOW
    host.step(step)
    host.boot += 10.0
    assert now() == RowClock(store, LEAP)() == NOW + 10.0


@pytest.mark.parametrize(
    ("wall", "latest", "start"),
    [
        pytest.param(NOW, None, NOW, id="no row"),
        pytest.param(IN_2099, None, IN_2099, id="no row, and nothing to tell 2099 from today by"),
        pytest.param(NOW, NOW - 3600.0, NOW, id="after the latest row"),
        pytest.param(NOW, NOW - LEAP, NOW, id="after the latest row, just so that it is still remembered"),
        pytest.param(NOW, NOW + 3600.0, NOW + 3600.0, id="set back by an hour: nobody is forgiven early"),
        pytest.param(NOW, NOW + LEAP, NOW + LEAP, id="set back by as much as a row is remembered"),
        pytest.param(IN_1970, NOW, NOW, id="no battery"),
        pytest.param(IN_1970, IN_2099, IN_2099, id="no battery, and nothing better known"),
        pytest.param(IN_2099, NOW, NOW, id="gone astray: all would have expired"),
        pytest.param(NOW + LEAP + 1.0, NOW, NOW, id="down for long: nobody is forgotten"),
        pytest.param(NOW, IN_2099, NOW, id="had gone astray"),
    ],
)
def test_where_row_time_begins(host: Host, store: Told, wall: float, latest: float | None, start: float) -> None:
    store.said = latest
    host.start_service(wall)
    now = RowClock(store, LEAP)
    assert now() == start
    host.boot += 1.0
    assert now() == start + 1.0


def test_a_store_that_is_gone_at_start_is_asked_again_until_it_can_tell(host: Host, store: Told) -> None:
    store.lost = True
    host.start_service(IN_2099)
    now = RowClock(store, LEAP)
    assert now() == IN_2099
    store.lost, store.said = False, NOW
    assert now() == NOW
    store.said = NOW + 1e6
    host.boot += 1.0
    assert now() == NOW + 1.0
