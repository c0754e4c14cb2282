"""What is told of an outage."""

import pytest

from milter64.sharing import outage
from milter64.sharing.outage import Outage


@pytest.fixture
def lines() -> list[str]:
    return []


def begun(lines: list[str]) -> Outage:
    return Outage("redis://redis.example", lines.append, lines.append)


def test_it_is_told_once_and_so_is_its_end(lines: list[str]) -> None:
    out = begun(lines)
    for why in ("it has closed the connection", "Connection refused", "Connection refused"):
        out.down("", why)
    out.up("")
    out.up("")
    assert lines == ["redis://redis.example is gone: it has closed the connection", "redis://redis.example is back"]


def test_of_one_that_lasts_each_other_reason_is_told_once(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "_LASTING", 0.0)
    out = begun(lines)
    for why in ("it has closed the connection", *["NOAUTH Authentication required."] * 3, *map(str, range(20))):
        out.down("10.0.0.1:6379", why)
    assert lines[:2] == [
        "redis://redis.example is gone: 10.0.0.1:6379: it has closed the connection",
        "redis://redis.example is still gone: 10.0.0.1:6379: NOAUTH Authentication required.",
    ]
    assert len(lines) <= 6


def test_it_lasts_until_the_last_is_back(lines: list[str]) -> None:
    out = begun(lines)
    out.down("a:1", "x")
    out.down("b:1", "y")
    out.up("a:1")
    assert len(lines) == 1
    out.up("b:1")
    assert lines[1:] == ["redis://redis.example is back"]
