"""The dashboard and the alerts of contrib/, over the numbers of a real run that a real Prometheus has scraped."""

import json
import subprocess
from collections.abc import Iterator
from itertools import count
from math import isnan
from pathlib import Path

import pytest

from rig.direct import Message, session
from rig.lab import Lab
from rig.mail import Mail
from rig.nsd import Nsd
from rig.numbers import Counted
from rig.postfix import Postfix
from rig.process import until
from rig.prometheus import Prometheus
from rig.stage import Stage
from rig.world import HONEST, HONEST_IPV6, NAMELESS, STRANGER, STRANGER_IPV6, ZONES, behind

CONTRIB = Path(__file__).parents[2] / "contrib"
DASHBOARD = json.loads((CONTRIB / "grafana" / "milter64.json").read_text())
RULES = CONTRIB / "prometheus" / "milter64.rules.yml"
RULE_TESTS = Path(__file__).with_name("alerts.yml")
QUIET = {"Reloads today", "Trouble"}
"""Panels where nothing but zeros is good news."""


def queries() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")


def play(stage: Stage, numbers: Iterator[int]) -> None:
    """Send mail of every kind; none of it repeats itself, but for the retries."""
    token = f"m{next(numbers)}"
    no_record = "a@none.example"
    for address in (behind(HONEST), HONEST_IPV6):
        assert Mail(token=token, address=address).send(stage).code == 250
    for address in (behind(STRANGER), STRANGER_IPV6):
        assert Mail(token=token, address=address, helo="stranger.example").send(stage).code == 550
    for number in range(max(0, int(token[1:]) - 4), int(token[1:]) + 1):
        Mail(token=f"m{number}", address=behind(NAMELESS), sender=no_record, helo="none.example").send(stage)
    Mail(token=token, address="64:ff9b:1::1").send(stage)
    with session(stage.milter) as client:
        client.connect(address=behind(HONEST), j="mx.lab.example")
        client.helo("mail.honest.example")
        client.mail("<a@honest.example>")
        client.rcpt("<b@lab.example>")
        client.quit()
    Message(address=behind(HONEST), sender=f"a@{token}.fresh.example").offer(stage.milter)
    Message(address=behind(HONEST), sender="a@lost.example").offer(stage.milter)


@pytest.mark.slow
def test_every_panel_of_the_dashboard_shows_something_of_a_real_run(lab: Lab) -> None:
    nsd = lab.start(Nsd, ZONES)
    milter = lab.start(
        Counted,
        f'[dns]\nnameservers = ["{nsd.server}"]\n[greylist]\ndelay = "1s"\nstore = "sqlite:{lab.folder}/rows.sqlite"\n',
    )
    postfix = lab.start(Postfix, milters=milter.milters)
    prometheus = lab.start(Prometheus, milter.metrics_port, RULES)
    stage = Stage(dns=nsd, milter=milter, postfix=postfix)
    numbers, empty = count(), list(queries())
    assert len(empty) >= 30

    def shown() -> bool:
        play(stage, numbers)
        empty[:] = [(title, query) for title, query in empty if not shows(prometheus.query(query), title)]
        return not empty

    try:
        until(shown, "all panels", seconds=60)
    finally:
        assert empty == []
    by_origin = prometheus.ask("query", query="milter64_sessions_total > 0")["result"]
    assert {series["metric"]["origin"] for series in by_origin} >= {"translated", "ipv6", "undecoded"}
    until(lambda: {rule["health"] for rule in prometheus.ask("rules")["groups"][0]["rules"]} == {"ok"}, "all rules")
    firing = {
        alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"
    }
    assert firing <= {"Milter64PrefixMissing"}  # of which this run has many


def shows(values: list[float], title: str) -> bool:
    return any(not isnan(value) and (value != 0.0 or title in QUIET) for value in values)


def test_the_alert_rules_are_valid() -> None:
    promtool("check", "rules", RULES)


def test_each_alert_fires_when_it_should_and_is_silent_else() -> None:
    promtool("test", "rules", RULE_TESTS)


def test_each_alert_has_a_case_where_it_fires_and_one_where_it_is_silent() -> None:
    alerts = {line.split(": ")[1] for line in RULES.read_text().splitlines() if line.lstrip().startswith("- alert:")}
    text = RULE_TESTS.read_text()
    for alert in alerts:
        cases = [case.partition("- eval_time")[0] for case in text.split(f"alertname: {alert}\n")[1:]]
        assert any("exp_labels" in case for case in cases), f"{alert} never fires"
        assert any("exp_alerts: []" in case for case in cases), f"{alert} is never silent"


def promtool(*words: str | Path) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
