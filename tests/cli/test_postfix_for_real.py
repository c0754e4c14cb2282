"""What `milter64 postfix` prints, run word for word before a real Postfix starts, chrooted as on Debian."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milter64.cli.main import main
from rig.accept_all import AcceptAll
from rig.lab import Lab
from rig.mail import results
from rig.network import Namespace, Network
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.smtp import Reply, Smtp
from rig.stage import MEMORY
from rig.told import PUBLIC, Told
from rig.world import HONEST, STRANGER, ZONES, behind

MAIN = "compatibility_level = 3.6\nsmtpd_client_connection_count_limit = 0\n"
"""Without the limit of which there is more to say from Postfix 3.8 on."""
SERVICES = (
    PUBLIC,
    "submission      inet n - y - 300 smtpd -o syslog_name=postfix/submission",
    "127.0.0.1:10025 inet n - y - 300 smtpd",
)
"""As in many a master.cf."""


class Story:
    """A Postfix that was told, milter64, and two other milters that Postfix asked before."""

    def __init__(self, lab: Lab, network: Network) -> None:
        nsd = lab.start(Nsd, ZONES, network=network)
        others = [lab.start(AcceptAll, network=network).milters for _ in range(2)]
        file = lab.folder / "milter64.toml"
        socket = lab.folder / "4-told" / "queue" / "milter64.sock"
        settings = f'{MEMORY}\n[dns]\nnameservers = ["{nsd.server}"]\n[milter]\nsocket = "unix:{socket}"\n'
        file.write_text(settings)
        self.postfix = lab.start(
            Told,
            file,
            milters=f"{others[0]}, {{ {others[1]}, connect_timeout=9s }}",
            network=network,
            services=SERVICES,
        )
        assert self.postfix.queue == socket.parent
        lab.start(Milter64, f'{settings}socket_group = "postfix"\n', unix=socket, network=network)
        self._network = network

    def send(self, port: int, token: str, address: str = STRANGER) -> Reply:
        with Smtp("127.0.0.1", port, network=self._network) as client:
            client.xclient(addr=behind(address))
            client.ehlo("mail.honest.example" if address == HONEST else "stranger.example")
            return client.transaction("a@honest.example", [f"{token}@lab.example"])


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with Namespace() as network, Lab() as lab:
        yield Story(lab, network)
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure


def test_before_the_lines_milter64_is_not_asked_and_after_them_nothing_is_wrong(story: Story) -> None:
    before, after = story.postfix.before, story.postfix.after
    assert before["code"] == os.EX_CONFIG
    assert {trouble["what"] for trouble in before["troubles"]} == {"milter64 is not asked"}
    assert "smtp/inet" in {trouble["where"] for trouble in before["troubles"]}  # and what a proxy leads to
    assert (after["code"], after["lines"], after["troubles"]) == (os.EX_OK, [], [])


def test_strangers_are_judged_by_milter64_and_the_other_milters_are_still_asked(story: Story) -> None:
    assert story.send(25, "forged").text.startswith("5.7.23 SPF fail")
    assert story.send(25, "honest", HONEST).code == 250
    messages = until(lambda: to(story, "honest"), "the message")
    assert "spf=pass" in results(messages[0])
    assert len(messages[0].get_all("X-Client")) == 2


@pytest.mark.parametrize("port", [587, 10025])
def test_submission_and_the_way_back_in_ask_the_other_milters_alone(story: Story, port: int) -> None:
    assert story.send(port, f"to{port}").code == 250
    messages = until(lambda: to(story, f"to{port}"), "the message")
    assert messages[0]["Authentication-Results"] is None
    assert len(messages[0].get_all("X-Client")) == 2


def to(story: Story, token: str) -> list[Any]:
    return [message for message in story.postfix.delivered(0) if message["Delivered-To"] == f"{token}@lab.example"]


@pytest.fixture
def milter(lab: Lab) -> Milter64:
    nsd = lab.start(Nsd, ZONES)
    return lab.start(Milter64, f'{MEMORY}\n[dns]\nnameservers = ["{nsd.server}"]\n')


def replies(postfix: Postfix) -> list[int]:
    """Send an honest mail with a forged field, and a forged mail."""
    found = []
    for address in (HONEST, STRANGER):
        with Smtp("127.0.0.1", postfix.port) as client:
            client.xclient(addr=behind(address))
            client.ehlo("mail.honest.example")
            message = "Authentication-Results: mx.lab.example; x=forged\n\nHi.\n"
            found.append(client.transaction("a@honest.example", ["b@lab.example"], message).code)
    return found


def test_an_older_protocol_makes_no_difference_to_verdicts_and_fields(lab: Lab, milter: Milter64) -> None:
    postfix = lab.start(Postfix, milters=milter.milters, milter_protocol="2")
    assert replies(postfix) == [250, 550]
    assert "spf=pass" in results(postfix.delivered()[0])


def test_a_filter_before_the_queue_keeps_the_message_from_us(lab: Lab, milter: Milter64) -> None:
    behind_filter = lab.start(Postfix)
    postfix = lab.start(Postfix, milters=milter.milters, smtpd_proxy_filter=f"127.0.0.1:{behind_filter.port}")
    assert replies(postfix) == [250, 550]
    assert behind_filter.delivered()[0].get_all("Authentication-Results") == ["mx.lab.example; x=forged"]


def test_people_are_shown_the_lines_and_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("milter64.config.load_file.DEFAULT", tmp_path / "none.toml")
    for name, text in {"main.cf": MAIN, "master.cf": "\n".join(SERVICES)}.items():
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (0, 0))
    assert main(["postfix", "--config-directory", str(tmp_path)]) == os.EX_CONFIG
    assert capsys.readouterr().out.splitlines() == [
        "Run",
        f"  postconf -c {tmp_path} -e 'smtpd_milters = inet:127.0.0.1:8864'",
        f"  postconf -c {tmp_path} -P submission/inet/smtpd_milters=",
        f"  postconf -c {tmp_path} -P 127.0.0.1:10025/inet/smtpd_milters=",
        f"  postfix -c {tmp_path} reload",
        f"{tmp_path}: 1 of 1 would break mail",
        "        WHERE      WHAT IS WRONG, AND ITS REMEDY",
        "breaks  smtp/inet  milter64 is not asked",
        "                   name it as inet:127.0.0.1:8864, first in smtpd_milters",
    ]
