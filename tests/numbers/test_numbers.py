"""The numbers of a real service, from its workers to a scrape, whatever dies in between."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from milter64.address.client import Origin
from milter64.greylist.attempt import State
from milter64.mail.action import Action
from milter64.numbers.counting_resolver import OUTCOMES
from milter64.telemetry.metrics import FAMILIES
from rig.direct import Message, session
from rig.lab import Lab
from rig.milterclient import MilterClient
from rig.nsd import Nsd
from rig.numbers import Counted
from rig.process import until
from rig.procfs import children
from rig.service import Milter64
from rig.world import HONEST, HONEST_IPV6, NAMELESS, STRANGER, ZONES, behind

pytestmark = pytest.mark.long


def counted(lab: Lab, more: str = "", workers: int = 2) -> Counted:
    nsd = lab.start(Nsd, ZONES)
    store = f"sqlite:{lab.folder}/rows.sqlite"
    milter = lab.start(
        Counted,
        f'[dns]\nnameservers = ["{nsd.server}"]\n[milter]\nworkers = {workers}\n'
        f'[greylist]\ndelay = "1s"\nstore = "{store}"\n{more}',
    )
    milter.wait_log(lambda line: line["event"] == "ready")  # before that, who dies is not replaced
    until(lambda: milter.number("workers") == workers, "the workers' numbers")
    return milter


def test_both_workers_count_into_one_number(lab: Lab) -> None:
    milter = counted(lab)
    for _ in range(40):
        with MilterClient(("127.0.0.1", milter.port)) as client:
            client.connect(address=behind(HONEST))
            client.quit()
    with MilterClient(("127.0.0.1", milter.port)) as client:
        client.connect(address="2001:db8::1")
        client.quit()
    milter.counts_to(40, "sessions_total", origin="translated")
    milter.counts_to(1, "sessions_total", origin="ipv6")
    folder = milter.folder_of_numbers
    assert folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert milter.number("workers") == 2


def test_what_becomes_of_mail_is_counted_by_origin(lab: Lab) -> None:
    milter = counted(lab)
    assert Message(address=behind(HONEST)).send(milter).action == "continue"
    assert Message(address=HONEST_IPV6).send(milter).action == "continue"
    assert Message(address=behind(STRANGER)).offer(milter).text.startswith("550")
    suspect = Message(address=behind(NAMELESS), sender="a@none.example", helo="none.example")
    assert suspect.send(milter).text.startswith("450")
    until(lambda: suspect.send(milter).action == "continue", "the greylist to let it pass")

    milter.counts_to(2, "verdicts_total", action="accept", origin="translated")
    milter.counts_to(1, "verdicts_total", action="accept", origin="ipv6")
    milter.counts_to(1, "verdicts_total", action="reject", origin="translated", enforced="yes")
    milter.counts_to(1, "findings_total", check="spf", property="smtp.mailfrom", result="fail", origin="translated")
    milter.counts_to(1, "findings_total", check="iprev", result="pass", origin="ipv6")
    assert milter.number("greylist_attempts_total", state="new", origin="translated") >= 1  # of each worker one, maybe
    milter.counts_to(1, "greylist_attempts_total", state="passed", origin="translated")
    milter.counts_to(1, "greylist_pass_seconds_count")
    assert 1.0 <= milter.number("greylist_pass_seconds_sum") < 20.0
    assert milter.number("greylist_pass_seconds_bucket", le="1.0") == 0.0
    until(lambda: milter.number("greylist_rows") > 0, "the rows to be counted")
    numbers = {name for name, _, _ in milter.samples()}
    assert numbers >= {"verdict_seconds_count", "dns_question_seconds_count", "heartbeat_timestamp_seconds"}
    assert milter.number("dns_questions_total", outcome="answer") > 0
    assert milter.number("cache_lookups_total", cache="findings", result="miss") > 0
    assert milter.number("cache_lookups_total", cache="greylist") > 0
    bounds = {labels["bound"] for name, labels, value in milter.samples() if name == "bound_capacity" and value > 0}
    entries = {labels["bound"] for name, labels, _ in milter.samples() if name == "bound_entries"}
    assert (
        bounds
        == entries
        == {
            *("familiar", "findings", "dns_cache", "dns_marks", "greylist_cache"),
            *("log_lines", "pending_rows", "rows", "waiting_verdicts", "waiting_line", "learning_queue"),
        }
    )


def test_limits_are_counted_by_kind_and_level_and_so_is_how_full_their_table_is(lab: Lab) -> None:
    milter = counted(lab, '[rate]\nrecipients = { "ipv4/32" = "2/1h", "ipv6/64" = "2/1h" }\n')
    for _ in range(3):
        Message(address=behind(HONEST)).offer(milter)
    milter.counts_to(1, "findings_total", check="rate", property="recipients", result="ipv4/32", origin="translated")
    milter.counts_to(1, "verdicts_total", action="tempfail", origin="translated")
    until(lambda: milter.number("bound_entries", bound="rates") == 1, "the counter to be counted")
    assert milter.number("bound_capacity", bound="rates") == 686_784


def test_a_stranger_makes_no_label(lab: Lab) -> None:
    milter = counted(lab, '[helo]\nactions = { fail = "greylist" }\n')
    evil = 'x"} 1\nmilter64_sessions_total{origin="evil'
    for address in (behind(HONEST), "192.0.2.1", "64:ff9b:1::1", "::ffff:192.0.2.1", "64:ff9b::7f00:1", "2001:db8::1"):
        for helo in (evil, "evil.example", b"\xff\xfe", "[192.0.2.1]"):
            with MilterClient(("127.0.0.1", milter.port)) as client:
                client.connect(evil, address=address, j="mx.lab.example")
                client.helo(helo)
                client.mail(f"<{evil}@evil.example>", auth_authen=evil)
                client.rcpt(f"<{evil}@lab.example>")
                client.abort()
                client.quit()
    milter.counts_to(24, "sessions_total")
    words: dict[str, set[str]] = {
        "action": {"busy", *(action.name.lower() for action in Action)},
        "origin": set(Origin),
        "enforced": {"yes", "no"},
        "check": {"spf", "iprev", "helo"},
        "property": {"smtp.helo", "smtp.mailfrom", "policy.iprev"},
        "result": {
            *("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"),
            *("malformed", "literal", "own-name", "hit", "miss", "done", "refused"),
        },
        "state": {state.value for state in State},
        "outcome": set(OUTCOMES),
        "cache": {"findings", "dns", "greylist"},
        "kind": {"gone", "unwritten", "lost", "undecoded", "dns64", "masked", "shared"},
        "process": {"worker", "metrics"},
    }
    samples = milter.samples()
    assert {labels["origin"] for name, labels, value in samples if name == "sessions_total" and value} == {
        *("translated", "ipv4", "undecoded", "mapped", "invalid", "ipv6")
    }
    strange = {
        (label, value)
        for _, labels, _ in samples
        for label, value in labels.items()
        if label not in ("le", "bound", "version", "python") and value not in words[label]
    }
    assert strange == set()
    assert "evil" not in milter.get("/metrics")[1]


def test_workers_that_die_are_counted_and_leave_no_files_and_no_gauges_behind(lab: Lab) -> None:
    milter = counted(lab)
    until(lambda: milter.number("workers") == 2, "two workers")
    folder = milter.folder_of_numbers
    assert folder
    with session(milter) as client:
        client.connect(address=behind(HONEST))
        client.quit()
    milter.counts_to(1, "sessions_total")
    before = sorted(path.name for path in folder.iterdir())
    for deaths in range(1, 4):
        workers, _ = milter.children
        os.kill(min(workers), signal.SIGKILL)
        milter.counts_to(deaths, "process_restarts_total", process="worker")
        until(lambda: len(milter.children[0]) == 2, "a replacement")
    until(lambda: milter.number("workers") == 2, "two workers")
    until(lambda: sorted(path.name for path in folder.iterdir()) == before, "the same files")
    assert milter.number("sessions_total") == 1


def test_who_serves_the_numbers_may_die_and_mail_goes_on(lab: Lab) -> None:
    milter = counted(lab)
    until(lambda: milter.get("/healthz") == (200, "ok\n") and milter.number("workers") == 2, "health")
    workers, (server,) = milter.children
    os.kill(server, signal.SIGKILL)
    assert Message(address=behind(HONEST)).send(milter).action == "continue"
    milter.wait_log(lambda line: line["event"] == "metrics server died" and line["pid"] == server)
    until(lambda: milter.get("/healthz") == (200, "ok\n"), "health")
    milter.counts_to(1, "process_restarts_total", process="metrics")
    assert milter.number("process_restarts_total", process="worker") == 0
    assert milter.children[0] == workers
    milter.counts_to(1, "verdicts_total", action="accept")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_with_a_worker_that_is_stuck_is_not_healthy_until_that_is_replaced(lab: Lab, workers: int) -> None:
    milter = counted(lab, workers=workers)
    until(lambda: milter.get("/healthz") == (200, "ok\n"), "health")
    stuck = min(milter.children[0])
    os.kill(stuck, signal.SIGSTOP)
    until(lambda: milter.get("/healthz")[0] == 503, "the news")
    assert milter.get("/elsewhere")[0] == 404
    until(lambda: milter.get("/healthz")[0] == 200, "a replacement")
    assert milter.wait_log(lambda line: line["event"] == "worker died")["pid"] == stuck
    until(lambda: len(milter.children[0] - {stuck}) == workers, "as many workers as before")


def test_a_reload_keeps_the_numbers_and_may_move_them_or_end_them(lab: Lab) -> None:
    milter = counted(lab)
    with session(milter) as client:
        client.connect(address=behind(HONEST))
        client.quit()
    milter.counts_to(1, "sessions_total")
    configuration = milter.file.read_text()
    milter.reload()
    milter.counts_to(1, "reloads_total", result="done")
    assert milter.number("sessions_total") == 1
    milter.configure(configuration + "\nnonsense = 1\n")
    milter.reload()
    milter.counts_to(1, "reloads_total", result="refused")
    with milter._network.reserve("127.0.0.1") as other:  # noqa: SLF001  the port has to be free
        old, milter.metrics_port = milter.metrics_port, other.port
        milter.configure(configuration.replace(f":{old}", f":{other.port}"))
        milter.reload()
        until(lambda: milter.get("/healthz")[0] == 200, "health on another port")
        milter.counts_to(1, "sessions_total")
        milter.configure(configuration.replace("[metrics]", "").replace(f'listen = "127.0.0.1:{old}"', ""))
        milter.reload()
        until(lambda: milter.get("/healthz")[0] == 0, "an end of the numbers")
    until(lambda: len(milter.children[1]) == 2, "two workers alone")  # which hold no slots now


def test_an_address_that_is_taken_harms_nobody_and_is_had_once_it_is_free(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        milter = lab.start(Counted, f'[metrics]\nlisten = "127.0.0.1:{port}"\n[greylist]\nstore = "memory:"\n')
        line = milter.wait_log(lambda line: line["event"] == "metrics")
        assert line["trouble"] == f"can't listen on inet:{port}@127.0.0.1: Address already in use; trying on"
        assert Message(address="127.0.0.1").send(milter).action == "continue"
    milter.metrics_port = port
    until(lambda: milter.get("/healthz")[0] == 200, "health")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_numbers_are_left_behind(lab: Lab, number: signal.Signals) -> None:
    milter = counted(lab)
    until(lambda: milter.number("workers") == 2, "two workers")
    folder = milter.folder_of_numbers
    assert folder
    workers, servers = milter.children
    os.kill(milter.pid, number)
    until(lambda: not folder.exists(), "the folder to be gone")
    until(lambda: not any(Path(f"/proc/{pid}/fd").exists() for pid in workers | servers), "all to be gone")


def test_without_the_setting_nothing_is_imported_or_counted_and_no_process_started(lab: Lab) -> None:
    milter = lab.start(Milter64, '[greylist]\nstore = "memory:"\n')
    milter.wait_log(lambda line: line["event"] == "ready")
    assert len(children(milter.pid)) == 1
    code = (
        "import sys; from contextlib import ExitStack; from pathlib import Path; from milter64.cli import run;"
        f"plan = run._plan(Path({str(milter.file)!r}), ExitStack(), run.SharedCaches());"
        "assert plan.metrics is None; assert plan.work.args[0].publishing is None; assert plan.log.tally is None;"
        "assert not [name for name in sys.modules if name.startswith('prometheus')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_family_has_a_help_text_and_labels_that_prometheus_takes(lab: Lab) -> None:
    milter = counted(lab)
    text = milter.get("/metrics")[1]
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert all(family.help for family in FAMILIES.values())
