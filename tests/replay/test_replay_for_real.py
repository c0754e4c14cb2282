"""A real Postfix's log, replayed: it counts what was sent, and comes to what the service decided meanwhile."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milter64.report.outcome import OUTCOMES, reasons
from rig.lab import Lab
from rig.mail import Mail
from rig.process import Process, until
from rig.service import Line
from rig.smtp import Smtp
from rig.stage import MEMORY, Stage, set_stage, wait_out_the_delay
from rig.world import HONEST, HONEST_IPV6, LIAR, NAMELESS, STRANGER, ZONES, behind

MAILS = [
    Mail(token="plain", address=HONEST),
    Mail(token="translated", address=behind(HONEST)),
    Mail(token="ipv6", address=HONEST_IPV6),
    Mail(token="forged", address=behind(STRANGER), helo="stranger.example"),
    Mail(token="soft", address=STRANGER, helo="stranger.example", sender="a@soft.example"),
    Mail(token="nameless", address=NAMELESS, helo="x.example", sender="a@none.example"),
    Mail(token="liar", address=LIAR, helo="elsewhere.example", sender="a@none.example"),
    Mail(token="callout", address=HONEST, sender=""),
    Mail(token="login", address=STRANGER, helo="[10.0.0.1]", sender="joe@lab.example", login="joe"),
    Mail(token="postmaster", address=NAMELESS, helo="x.example", sender="a@none.example"),
]
AGAIN = ("soft", "nameless", "liar")
"""Who is put off, and comes back in time."""
SEVERAL = ["one@lab.example", "two@lab.example", "three@lab.example"]
ACCEPTED, REFUSED = 10, 4
"""Messages that come in, and attempts that are put off or refused by us."""
ELSEWHERE = "you@elsewhere.example"
"""A recipient whom Postfix itself refuses."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Lab() as lab:
        stage = set_stage(lab, ZONES)
        _send_all(stage)
        yield stage


def _send_all(stage: Stage) -> None:
    for mail in MAILS:
        mail.send(stage)
    wait_out_the_delay()
    for mail in MAILS:
        if mail.token in AGAIN:
            assert mail.send(stage).code == 250
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=HONEST)
        client.ehlo("mail.honest.example")
        assert client.transaction("a@honest.example", SEVERAL).code == 250
        assert client.transaction("a@honest.example", [ELSEWHERE]).code == 554
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=STRANGER)
        client.ehlo("stranger.example")
    until(lambda: len(_accepted(stage)) == ACCEPTED, "the last message to be accepted")
    sent = [line["queue"] for line in _accepted(stage)]
    until(lambda: all(f"{queue}: removed" in stage.postfix.output for queue in sent), "all to be delivered")


def _accepted(stage: Stage) -> list[Line]:
    return [line for line in stage.milter.log if line["event"] == "accepted"]


@pytest.fixture(scope="module")
def log(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Postfix's log, as a file."""
    file = tmp_path_factory.mktemp("log") / "mail.log"
    until(lambda: stage.postfix.output.count("disconnect from") == 15, "the end of the last session")
    file.write_text(stage.postfix.output)
    return file


def replay(log: Path, *words: str, nameserver: str, code: int = 0) -> dict[str, Any]:
    """Return what the verb prints for programs."""
    configuration = log.parent / "milter64.toml"
    configuration.write_text(f'{MEMORY}\n[dns]\nnameservers = ["{nameserver}"]\ndeadline = "2s"\n')
    command: tuple[str | Path, ...] = (
        sys.executable,
        "-m",
        "milter64",
        "replay",
        "--config",
        configuration,
        "--json",
        log,
        *words,
    )
    with Process(*command) as process:
        assert process.wait() == code, process.output
        return dict(json.loads(process.output))


def decided(stage: Stage, field: str) -> dict[str, Counter[str]]:
    """Return how often the service decided what, for each reason, or origin, of all but who has authenticated."""
    counts = {event: Counter[str]() for event in OUTCOMES}
    for line in stage.milter.log:
        if line["event"] in OUTCOMES and "exempt authenticated" not in line.get("because", ""):
            counts[line["event"]][reasons(line.get(field, ""))] += 1
    return counts


def test_it_counts_what_was_sent(stage: Stage, log: Path) -> None:
    source = replay(log, nameserver=stage.dns.server)["source"]
    assert (source["attempts"], source["unfinished"], source["unreadable"]) == (ACCEPTED + REFUSED - 1, 0, 0)
    assert source["authenticated"] == 1
    assert (source["refused_by_others"], source["without_sender"]) == ({"postfix": 1}, 1)


def test_it_comes_to_what_the_service_has_decided_and_again_without_asking(stage: Stage, log: Path) -> None:
    answers = str(log.parent / "answers.jsonl")
    asked = replay(log, "--ask", "--answers", answers, "--per-second", "1000", nameserver=stage.dns.server)
    assert asked["source"]["asked"] > 0
    assert asked["by_reason"] == decided(stage, "because")
    assert asked["by_origin"] == decided(stage, "origin")
    again = replay(log, "--answers", answers, nameserver="127.0.0.1:9")
    assert (again["source"]["asked"], again["source"]["unanswered"]) == (0, asked["source"]["unanswered"])
    for part in ("decisions", "by_reason", "by_origin", "results", "greylist"):
        assert again[part] == asked[part], part


def test_without_dns_it_goes_by_what_postfix_knows(log: Path) -> None:
    found = replay(log, nameserver="127.0.0.1:9")
    assert found["source"]["asked"] == 0
    assert found["by_reason"]["rejected"] == {}
    assert found["by_reason"]["greylisted"].keys() == {"iprev fail"}
