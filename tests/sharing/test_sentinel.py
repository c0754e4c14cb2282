"""The server that Sentinels name: a failover, planned or not, is followed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.sharing.interface import ServersGone
from rig.asker import asked, opened
from rig.process import until
from rig.redis import Watched


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Watched(tmp_path / "watched") as servers:
        yield servers


def test_a_planned_failover_is_followed_and_makes_another_edition(watched: Watched) -> None:
    before = watched.master
    with asked(watched.url) as asker:
        watched.fail_over()
        until(lambda: watched.master is not before, "the failover")
        until(lambda: asker.servers.edition == 2, "another connection", seconds=2.0)
        asker.whole()
        asker.had_to_wait(at_most=1)
        assert int(watched.master.ask("GET", "asked")) > 0


def test_a_master_that_is_killed_costs_one_half_a_second_once(watched: Watched) -> None:
    before = watched.master
    with asked(watched.url) as asker:
        asker.holds(
            before.kill,
            lambda: until(lambda: watched.master is not before, "the failover"),
            "closed the connection|reset|Broken pipe",
        )


def test_a_master_that_is_stopped_costs_one_half_a_second_once_and_nobody_goes_back_to_it(watched: Watched) -> None:
    before = watched.master
    with asked(watched.url) as asker:
        asker.holds(
            before.stop, lambda: until(lambda: watched.master is not before, "the failover"), "no answer in time"
        )
        edition = asker.servers.edition
        before.go_on()
        assert "role:master" in before.ask("INFO", "replication")  # so it holds itself, for ten seconds
        for _ in range(150):
            asker.whole()
        assert asker.servers.edition == edition


def test_two_hung_sentinels_of_three_are_passed_over(watched: Watched) -> None:
    for hung in watched.sentinels[:2]:
        hung.stop()
    with asked(watched.url) as asker:
        assert asker.lines == []
    for hung in watched.sentinels[:2]:
        hung.go_on()


def test_a_name_that_no_sentinel_knows_is_told(watched: Watched) -> None:
    lines: list[str] = []
    with opened(watched.url.replace("/mail", "/other"), lines) as servers:
        until(lambda: lines)
        assert "no Sentinel answers: a Sentinel knows no other" in lines[0]
        with pytest.raises(ServersGone, match="knows no other"):
            servers.send("x", [("GET", "x")])


def test_sentinels_have_a_password_of_their_own(watched: Watched, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of-sentinels\n")
    lines: list[str] = []
    for each in watched.sentinels:
        each.ask("ACL", "SETUSER", "default", "resetpass", ">of-sentinels")
    with asked(f"{watched.url}?sentinel_password_file={secret}") as asker:
        assert asker.lines == []
    with opened(watched.url, lines):
        until(lambda: lines)
    assert "no Sentinel answers: Authentication required" in lines[0]
    for each in watched.sentinels:
        each.ask("-a", "of-sentinels", "--no-auth-warning", "ACL", "SETUSER", "default", "nopass")
