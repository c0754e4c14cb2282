"""What a service's parameters are, as a real smtpd with those `-o` has them: it says them in its greeting."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.audit.facts import host
from milter64.audit.facts.postconf import PostfixUnreadable, read
from milter64.audit.facts.smtp_clients import senders
from rig.lab import Lab
from rig.network import Namespace
from rig.postfix import Postfix
from rig.scene import Scene
from rig.smtp import Smtp

BANNER = "$myhostname $mydomain $myorigin $smtpd_client_restrictions $service_name $process_name"


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-o myhostname=sub.other.example",
        "-o mydomain=third.example",
        "-o myorigin=$mydomain -o myhostname=sub.other.example",
        "-o {myhostname = sub.other.example} -o {smtpd_client_restrictions = permit_mynetworks, $service_name}",
        "-o syslog_name=postfix/$service_name -o smtpd_client_restrictions=$own -o mydomain=third.example",
        "-o own=permit_mynetworks,${process_name} -o smtpd_client_restrictions=$own",
        "-o smtpd_client_restrictions=${{$service_name}=={4025}?{$own}:{permit}}",
        "-v -o myorigin=$mydomain -o mydomain=$myhostname",
    ],
)
def test_a_services_parameters_are_those_that_its_daemon_says(lab: Lab, options: str) -> None:
    with Namespace() as network:
        postfix = lab.start(
            Postfix,
            network=network,
            services=[f"4025 inet n - n - - smtpd {options}"],
            smtpd_banner=BANNER,
            own="permit_$mydomain",
        )
        with Smtp("127.0.0.1", 4025, network=network) as client:
            greeting = " ".join(client.greeting.text.split())
    found = read(postfix.queue.parent / "etc")
    (service,) = (each for each in found.services if each.name == "4025")
    assert " ".join(found.value("smtpd_banner", service).split()) == greeting


@pytest.mark.parametrize(
    ("disabled", "off"),
    [
        ("", []),
        ("4025/inet", ["4025/inet"]),
        ("4025.inet, unix", ["4025/inet"]),
        ("INET", ["4025/inet", "4026/inet"]),
        ("!4025/inet, inet", ["4026/inet"]),
        ("!!4025/inet !inet", ["4025/inet"]),
        ("$off", ["4026/inet"]),
        ("4025", []),
    ],
)
def test_services_are_those_that_master_starts(lab: Lab, disabled: str, off: list[str]) -> None:
    with Namespace() as network:
        services = [f"{port} inet n - n - - smtpd" for port in (4025, 4026)]
        postfix = lab.start(
            Postfix, network=network, services=services, master_service_disable=disabled, off="4026/inet"
        )
        listeners = network.call(host.read).listeners
    found = read(postfix.queue.parent / "etc")
    assert [key for key in found.disabled if key in ("4025/inet", "4026/inet")] == off
    started = {f"{port}/inet" for port in (4025, 4026)} & {each.key for each in found.services}
    assert started == {f"{each.port}/inet" for each in listeners if each.port in (4025, 4026)}
    assert started.isdisjoint(off)


def test_a_service_that_cannot_start_makes_the_settings_unreadable(tmp_path: Path) -> None:
    text = {
        "main.cf": "compatibility_level = 3.6\nmyhostname = localhost\ninet_interfaces = $myhostname\n",
        "master.cf": "smtp inet n - n - - smtpd\n587 inet n - n - - smtpd -o myhostname=nowhere.invalid\n",
    }
    for name, lines in text.items():
        (tmp_path / name).write_text(lines)
        os.utime(tmp_path / name, (0, 0))
    with pytest.raises(PostfixUnreadable, match=r"587/inet: .*inet_interfaces: host not found: nowhere\.invalid"):
        read(tmp_path)


@pytest.mark.parametrize(
    "options", ["", "-o myhostname=sub.other.example", "-o smtp_helo_name=$mydomain -o mydomain=x.example"]
)
def test_a_service_that_sends_says_ehlo_as_the_audit_has_it(lab: Lab, options: str) -> None:
    far = lab.start(Postfix)
    postfix = lab.start(
        Postfix,
        services=[f"smtp unix - - n - - smtp {options}"],
        virtual_mailbox_domains="",
        default_transport="smtp",
        relayhost=f"[127.0.0.1]:{far.port}",
        smtpd_relay_restrictions="permit_mynetworks, reject",
    )
    with Smtp("127.0.0.1", postfix.port) as client:
        client.ehlo()
        assert client.transaction("a@lab.example", ["b@lab.example"]).code == 250
    received = far.delivered()[0].get_all("Received", [])
    facts = replace(Scene().facts(), postfix=read(postfix.queue.parent / "etc"))
    (sender,) = senders(facts, [each for each in facts.postfix.services if each.command == "smtp"])
    assert received[0].split()[:2] == ["from", sender.helo]
