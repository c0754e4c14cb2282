"""`milter64 greylist`, beside real services: what it shows is so, and what it forgets or imports counts at once."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from milter64.greylist.export_text import dump
from milter64.greylist.row import Record
from milter64.sharing.keys import FEED
from rig.direct import Message
from rig.hosts import SharingHost, sharing
from rig.lab import Lab
from rig.process import until
from rig.redis import Redis
from rig.service import Milter64
from rig.verbs import answered, said
from rig.world import STRANGER, behind

pytestmark = pytest.mark.long

DELAY = 2.0
FROM, TO = "a@honest.example", "b@lab.example"
PAIR = f"<{FROM}> <{TO}>"
MESSAGE = Message(address=behind(STRANGER))


def service(lab: Lab, workers: int = 2, more: str = "", delay: float = DELAY) -> Milter64:
    """Start a service that greylists all."""
    store = lab.folder / f"store-{len(lab.servers)}"
    store.mkdir()
    grey = f'[greylist]\nstore = "sqlite:{store}/rows"\napply = "all"\ndelay = "{delay:g}s"\n{more}'
    return lab.start(Milter64, f"{grey}\n[milter]\nworkers = {workers}\n")


def greylist(milter: Milter64, *words: str, stdin: str = "") -> str:
    return said("greylist", *words, "--config", milter.file, stdin=stdin)


def listed(milter: Milter64, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in greylist(milter, "list", "--json", *words).splitlines()]


def passes(milter: Milter64, message: Message = MESSAGE) -> bool:
    """Whether a message passes, however often it is offered: each of the workers has some of those."""
    return all(message.offer(milter).action == "continue" for _ in range(16))


def waits(milter: Milter64, message: Message = MESSAGE) -> bool:
    """Whether it is put off, however often it is offered."""
    return all(message.offer(milter).action == "tempfail" for _ in range(16))


def test_a_sender_is_listed_as_waiting_and_then_as_passed_with_what_the_log_says_of_it(lab: Lab) -> None:
    milter = service(lab)
    assert MESSAGE.offer(milter).action == "tempfail"
    [row] = until(lambda: listed(milter))
    assert {name: row[name] for name in ("milter64", "schema", "from", "to", "state", "passed")} == {
        "milter64": "greylist list",
        "schema": 1,
        "from": FROM,
        "to": TO,
        "state": "waiting",
        "passed": None,
    }
    assert row["group"] == "net:192.31.196.0/24"
    shown = json.loads(greylist(milter, "show", "--from", f"<{FROM}>", "--to", TO, "--json"))
    assert [each["group"] for each in shown["rows"]] == [row["group"]]
    until(lambda: MESSAGE.offer(milter).action == "continue")
    [row] = until(lambda: listed(milter, "--passed"))
    assert row["until"] is None
    assert row["passed"] >= row["since"]
    assert listed(milter, "--waiting") == []


def test_a_sender_who_was_forgotten_waits_anew_at_every_worker(lab: Lab) -> None:
    milter, now = service(lab, delay=600), time.time()
    passed = Record(generation=0, first_seen=now - 900, passed_at=now - 60)
    greylist(milter, "import", stdin="\n".join(dump([(PAIR, "net:192.31.196.0/24", passed)])))
    until(lambda: passes(milter), "it to pass")
    assert "1 would be forgotten" in greylist(milter, "forget", "--from", FROM, "--dry-run")
    assert passes(milter)
    told = greylist(milter, "forget", "--from", f"<{FROM}>")
    assert f"<{FROM}>  <{TO}>" in told
    assert told.endswith("\n1 forgotten\n")
    until(lambda: waits(milter), "all workers to know")
    until(lambda: "new" in [line.get("greylist") for line in milter.log], "a new wait in the log")


def test_nothing_of_a_group_that_was_forgotten_passes_without_a_wait_not_even_by_having_passed_often(lab: Lab) -> None:
    milter = service(lab, more='wave_through = 2\nwave_over = "0s"\n')
    for number in range(3):
        message = Message(address=behind(STRANGER), recipient=f"b{number}@lab.example")
        until(lambda message=message: message.send(milter).action in {"continue", "accept"})  # type: ignore[misc]
    new = Message(address=behind(STRANGER), recipient="new@lab.example")
    until(lambda: new.offer(milter).action == "continue", "it to be waved through")
    told = greylist(milter, "forget", "--network", f"unknown[{behind(STRANGER)}]")
    assert "1 that were earning, or had earned, not to wait begin anew" in told
    other = Message(address=behind(STRANGER), recipient="other@lab.example")
    until(lambda: other.offer(milter).action == "tempfail", "it to wait")


# Several hosts


def both(lab: Lab, redis: Redis | None = None) -> list[SharingHost]:
    """Start hosts on which a sender has passed, and all know it."""
    hosts = sharing(lab, redis or lab.start(Redis), 2)
    until(lambda: MESSAGE.offer(hosts[0]).action == "continue", "it to pass")
    for host in hosts:
        until(lambda host=host: host.rows, "it to have rows")  # type: ignore[misc]
        until(lambda host=host: any(each["state"] == "passed" for each in listed(host)), "all to know")  # type: ignore[misc]
        assert passes(host)
    return hosts


@pytest.mark.parametrize("here", [0, 1])
def test_what_one_host_forgets_all_hosts_forget(lab: Lab, here: int) -> None:
    hosts = both(lab)
    greylist(hosts[here], "forget", "--from", "@honest.example", "--passed")
    for host in (hosts[1 - here], hosts[here]):
        until(lambda host=host: MESSAGE.offer(host).action == "tempfail", "it to wait anew")  # type: ignore[misc]


@pytest.mark.slow
def test_a_host_that_was_away_meanwhile_brings_nothing_back(lab: Lab) -> None:
    one, other = both(lab)
    other.stop()
    greylist(one, "forget", "--to", TO)
    again = lab.start(SharingHost, one_url(one), store=other.store)
    until(lambda: [line for line in again.log if line["event"] == "hosts share"], "it to share")
    until(lambda: MESSAGE.offer(again).action == "tempfail", "it to have heard of it")
    assert MESSAGE.offer(one).action == "tempfail"


def one_url(host: SharingHost) -> str:
    """Return the URL by which a host shares."""
    return next(line.split('"')[1] for line in host.file.read_text().splitlines() if line.startswith("store = "))


@pytest.mark.slow
def test_rows_that_were_loaded_are_listed_without_names_and_found_by_them(lab: Lab) -> None:
    redis = lab.start(Redis)
    one, _ = both(lab, redis)
    redis.ask("DEL", FEED)  # as after some minutes
    late = lab.start(SharingHost, redis.url)
    until(lambda: late.rows, "it to have rows")
    until(lambda: nameless(late), "it to have loaded what there is")
    [row] = nameless(late)
    assert row in listed(late, "--from", FROM, "--to", TO)
    assert row not in listed(late, "--from", FROM)
    assert passes(late)
    greylist(late, "forget", "--from", FROM, "--to", TO)
    for host in (late, one):
        until(lambda host=host: MESSAGE.offer(host).action == "tempfail", "it to wait anew")  # type: ignore[misc]


def nameless(host: SharingHost) -> list[dict[str, Any]]:
    """Return the rows that were loaded; of others, which are heard of meanwhile, the names are known."""
    return [row for row in listed(host) if (row["from"], row["to"]) == (None, None)]


@pytest.mark.slow
def test_nothing_is_forgotten_here_where_the_others_cant_be_told(lab: Lab) -> None:
    redis = lab.start(Redis)
    [host] = sharing(lab, redis, 1)
    until(lambda: MESSAGE.offer(host).action == "continue", "it to pass")
    until(lambda: listed(host, "--passed"))
    redis.stop()
    code, told = answered("greylist", "forget", "--to", TO, "--config", host.file)
    assert code == os.EX_UNAVAILABLE
    assert re.search(r"the other hosts can't be told: .*start the server", told, re.DOTALL)
    assert listed(host, "--passed")


# From one to another


def test_who_has_passed_on_one_host_passes_at_once_on_another_and_who_waits_goes_on_waiting(
    lab: Lab, tmp_path: Path
) -> None:
    one, other = service(lab), service(lab)
    waiting = Message(address=behind(STRANGER), recipient="late@lab.example")
    until(lambda: MESSAGE.offer(one).action == "continue", "it to pass")
    assert waiting.offer(one).action == "tempfail"
    until(lambda: len(listed(one)) == 2, "both to be written")
    rows = listed(one)
    greylist(one, "export", "--file", str(tmp_path / "export"))
    assert MESSAGE.offer(other).action == "tempfail"
    assert "2 rows imported: 1 that have passed, 1 that wait" in greylist(
        other, "import", "--file", str(tmp_path / "export")
    )
    until(lambda: passes(other), "it to pass there")
    assert listed(other, "--waiting") == [row for row in rows if row["state"] == "waiting"]
    until(lambda: waiting.offer(other).action == "continue")


def test_a_host_that_has_never_run_begins_with_what_was_imported(lab: Lab) -> None:
    one = service(lab)
    until(lambda: MESSAGE.offer(one).action == "continue", "it to pass")
    until(lambda: listed(one, "--passed"))
    export = greylist(one, "export")
    store = lab.folder / "new"
    store.mkdir()
    configuration = f'[greylist]\nstore = "sqlite:{store}/rows"\napply = "all"\n'
    (store / "milter64.toml").write_text(configuration)
    assert "1 rows imported" in said("greylist", "import", "--config", store / "milter64.toml", stdin=export)
    assert MESSAGE.offer(lab.start(Milter64, configuration)).action == "continue"


def test_what_was_imported_on_one_host_counts_on_all_that_share(lab: Lab) -> None:
    alone = service(lab)
    until(lambda: MESSAGE.offer(alone).action == "continue", "it to pass")
    until(lambda: listed(alone, "--passed"))
    one, other = sharing(lab, lab.start(Redis), 2)
    greylist(one, "import", stdin=greylist(alone, "export"))
    for host in (one, other):
        until(lambda host=host: MESSAGE.offer(host).action == "continue", "it to pass")  # type: ignore[misc]
