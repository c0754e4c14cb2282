"""How sharing gets into the numbers."""

from types import SimpleNamespace
from typing import Any

from milter64.numbers.gauges import Gauges
from milter64.sharing.numbers import Numbers
from milter64.telemetry.metrics import FAMILIES

STORE: Any = SimpleNamespace(sizes=lambda: {"rows": 0, "dropped": 0}, caps={}, gone=False, happenings=dict[str, int])
ENGINE: Any = SimpleNamespace(bounds=dict)
RESOLVER: Any = SimpleNamespace(bounds=dict, down=False)


def numbers(*, rows_sent: int = 0, rows_received: int = 0) -> Numbers:
    return Numbers(
        up=True,
        allowed=True,
        whole=False,
        hosts=3,
        lag=0.5,
        rows_waiting=7,
        lists_waiting=1,
        limits_waiting=2,
        rows_sent=rows_sent,
        rows_received=rows_received,
    )


def test_what_hosts_share_is_counted_under_names_that_there_are() -> None:
    told = iter([numbers(rows_sent=5, rows_received=2), numbers(rows_sent=9, rows_received=2)])
    gauges = Gauges(ENGINE, RESOLVER, STORE, 1, lambda: next(told))
    first, second = ({name: value for name, value in gauges().items() if "sharing" in str(name)} for _ in range(2))
    assert first == {
        ("sharing_up",): 1,
        ("sharing_allowed",): 1,
        ("sharing_whole",): 0,
        ("sharing_hosts",): 3,
        ("sharing_lag_seconds",): 0.5,
        ("sharing_waiting", "rows"): 7,
        ("sharing_waiting", "lists"): 1,
        ("sharing_waiting", "limits"): 2,
        ("sharing_rows", "sent"): 5,
        ("sharing_rows", "received"): 2,
    }
    assert second == first | {("sharing_rows", "sent"): 4, ("sharing_rows", "received"): 0}
    assert {name for name in FAMILIES if name.startswith("sharing")} == {name[0] for name in first}


def test_a_host_that_shares_nothing_has_no_numbers_of_it() -> None:
    assert not [name for name in Gauges(ENGINE, RESOLVER, STORE, 1)() if "sharing" in str(name)]
