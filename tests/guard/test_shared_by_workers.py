"""What the guards of several workers know together."""

import json
import os
from pathlib import Path

import pytest

from milter64.address.client import Origin
from milter64.guard.masking_gateway import MANY
from milter64.guard.shared_by_workers import HOUR, SharedNotes
from rig.direct import Message
from rig.dnsserver import DnsServer
from rig.forked import forked
from rig.lab import Lab
from rig.service import Milter64
from rig.watched import Watched


def test_of_several_processes_one_says_a_line() -> None:
    shared = SharedNotes()

    def say() -> bytes:
        due = 0
        for n in range(200):
            with shared.notes() as notes:
                due += notes.due(("dns64", str(n)), 0)
        return str(due).encode()

    assert sum(map(int, forked(4, say))) == 200
    with shared.notes() as notes:
        assert not notes.due(("dns64", "199"), HOUR - 1)
        assert notes.due(("dns64", "199"), HOUR)


def test_notes_that_were_cut_short_are_begun_anew() -> None:
    shared = SharedNotes()
    with shared.notes() as notes:
        notes.said["masked", "10.0.0.1"] = 1.0
    with shared.notes() as notes:
        assert notes.said == {("masked", "10.0.0.1"): 1.0}
    os.ftruncate(shared._file, 20)  # noqa: SLF001  as when a worker is killed over it
    with shared.notes() as notes:
        assert notes.said == {}


def test_what_fails_over_the_notes_leaves_them_as_they_were() -> None:
    shared = SharedNotes()

    def fail() -> None:
        with shared.notes() as notes:
            notes.said["masked", "10.0.0.1"] = 1.0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with shared.notes() as notes:
        assert notes.said == {}


def test_twenty_names_are_enough_whichever_workers_hear_them(server: DnsServer) -> None:
    shared = SharedNotes()
    one, other, third = (Watched(server, shared=shared) for _ in range(3))
    one.crowd("127.0.0.1", range(MANY // 2))
    one.look(0)
    other.crowd("127.0.0.1", range(MANY // 2, MANY))
    other.look(1)
    assert [worker.origin("127.0.0.1") for worker in (one, other)] == [Origin.IPV4, Origin.MASKED]
    for worker in (one, third):
        worker.hear("127.0.0.1")
        worker.look(2)
        assert worker.origin("127.0.0.1") is Origin.MASKED
    assert [worker.log.events for worker in (one, other, third)] == [[], ["masked"], []]


def test_each_line_is_said_by_one_worker(server: DnsServer) -> None:
    shared = SharedNotes()
    one, other = (Watched(server, "translation.prefixes = []", shared=shared) for _ in range(2))
    for worker in (one, other):
        worker.ask()
        worker.hear("64:ff9b::c01f:c40a")
        worker.look(0)
        assert worker.translator.synthesised("2001:db8:64::1")
    assert (one.log.events, other.log.events) == (["dns64", "undecoded"], [])


def test_workers_of_a_service_find_a_gateway_together(lab: Lab, server: DnsServer, tmp_path: Path) -> None:
    settings = f"""
[milter]
workers = 3
[greylist]
store = "sqlite:{tmp_path}/greylist.sqlite"
[dns]
nameservers = ["{server.address}"]
"""
    milter = lab.start(Milter64, settings)
    for n in range(MANY):
        Message(address="10.0.0.1", helo=f"h{n}.example", sender=f"a@d{n}.example").offer(milter)
    milter.wait_log(lambda line: line["event"] == "masked")
    milter.stop()
    lines = [json.dumps([line["event"], line.get("client")]) for line in milter.log if line["level"] == "warning"]
    assert sorted(lines) == ['["dns64", null]', '["masked", "10.0.0.1"]']
