"""A password in the URL of the servers is told to these alone: not to the log, not to `ps`, and by no verb."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from socket import socketpair

import pytest

from milter64.sharing.line import Line, LineBroken
from rig.lab import Lab
from rig.network import Namespace
from rig.process import Process, until
from rig.procfs import children
from rig.redis import Redis
from rig.service import Milter64

pytestmark = pytest.mark.long

SECRET = "s3cret"
VERBS = [
    "check-config",
    "check-config --print",
    "check-config --json",
    "explain 192.0.2.1 --from a@b.example --to c@example.org",
    "explain 192.0.2.1 --from a@b.example --to c@example.org --json",
    "audit",
    "audit --json",
    "list",
    "allow 192.0.2.1",
    "discover --wait 0",
    "translate 192.0.2.1",
    "postfix",
    "neighbours rspamd",
]


def configuration(lab: Lab, store: str) -> str:
    """Return one with a URL of servers, and with all that a log can say."""
    own = f"sqlite:{lab.folder}/rows"
    tables = {
        "dns": 'nameservers = ["127.0.0.1:9"]',
        "log": 'level = "debug"\nformat = "json"',
        "greylist": f'local = "{own}"',
    }
    return "".join(f"[{table}]\n{line}\n" for table, line in tables.items()) + f'store = "{store}"\n'


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_shows_it(lab: Lab, verb: str) -> None:
    file = lab.folder / "milter64.toml"
    for user in ("", "me"):
        file.write_text(configuration(lab, f"redis://{user}:{SECRET}@127.0.0.1:9"))
        command = (sys.executable, "-m", "milter64", *verb.split(), "--config", str(file))
        with Namespace() as network, Process(*network.command(*command)) as process:
            assert process.wait() != os.EX_USAGE, process.output
            assert "Traceback" not in process.output
            assert SECRET not in process.output


def test_the_service_keeps_it_from_its_log_and_from_who_lists_processes(lab: Lab) -> None:
    redis = lab.start(Redis, f"requirepass {SECRET}")
    url = f"redis://:{SECRET}@{redis.address}:{redis.port}"
    milter = lab.start(Milter64, configuration(lab, url))
    milter.wait_log(lambda line: line["event"] == "ready")
    family = [milter.pid, *children(milter.pid)]
    assert len(family) > 1
    for pid in family:
        for what in ("cmdline", "environ", "comm"):
            assert SECRET.encode() not in Path(f"/proc/{pid}/{what}").read_bytes()
    for wrong in (
        url.replace("redis:", "reddis:"),
        f"{url}/x",
        url.replace("@", "/@"),
        url.replace("redis:", "redis+c:"),
        url.replace("@", "\\u0000@"),
    ):
        assert "greylist.store" in refusal(milter, configuration(lab, wrong))
    right = configuration(lab, url)
    assert "no value without quotes" in refusal(milter, right.replace(f'"{url}"', url))
    assert "password" not in refusal(milter, right.replace(f'"{url}"', f'"{url}'))
    assert milter.stop() == 0
    assert SECRET not in milter.output


@pytest.mark.parametrize(
    ("setting", "told"), [('rename-command AUTH ""', "unknown command ..."), ("requirepass other", "invalid username-")]
)
def test_the_log_does_not_have_it_from_a_server_that_refuses_it(lab: Lab, setting: str, told: str) -> None:
    redis = lab.start(Redis, setting)
    milter = lab.start(Milter64, configuration(lab, f"redis://me:{SECRET}@{redis.address}:{redis.port}"))
    assert told in milter.wait_log(lambda line: line["event"] == "sharing")["trouble"]
    assert milter.stop() == 0
    assert SECRET not in milter.output


def test_nothing_that_a_server_says_at_the_door_tells_it() -> None:
    ours, theirs = socketpair()
    with theirs, closing(Line(ours)) as line:
        theirs.sendall(f"-ERR {SECRET} is wrong, {SECRET}!\r\n".encode())
        with pytest.raises(LineBroken, match=r"^\*\*\* is wrong, \*\*\*!$"):
            line.enter("", SECRET, 0)


def refusal(milter: Milter64, text: str) -> str:
    """Return why a service refuses to read another configuration."""

    def refused() -> Sequence[str]:
        return [line["reason"] for line in milter.log if line["event"].startswith("reload refused")]

    before = len(refused())
    milter.file.write_text(f'{text}[milter]\nsocket = "inet:{milter.port}@localhost"\n')
    milter.reload()
    return until(lambda: refused()[before:], "a refusal")[0]
