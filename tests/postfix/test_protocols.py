"""Postfix keeps to the IP families of `inet_protocols`, also on its way to a milter on its own host."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.config.load_file import parse
from milter64.config.settings import Settings
from rig.lab import Lab
from rig.mail import results
from rig.network import Namespace
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.smtp import Reply, Smtp
from rig.stage import MEMORY
from rig.told import Told, advice
from rig.world import HONEST, STRANGER, ZONES, behind

pytestmark = pytest.mark.long

PACKAGED = Path(__file__).parents[2] / "packaging" / "debian" / "milter64.toml"
PROTOCOLS = ["ipv6", "ipv4", "all"]


class Host:
    """A host with milter64, and Postfixes that come and go."""

    def __init__(self, lab: Lab, network: Namespace) -> None:
        self.lab, self.network = lab, network
        dns = lab.start(Nsd, ZONES, network=network)
        self.settings = f'{MEMORY}\n[dns]\nnameservers = ["{dns.server}"]\n'
        self.milter = lab.start(Milter64, self.settings, network=network)
        self.file = self.milter.file

    def send(self, port: int, protocols: str, client: str) -> Reply:
        """Send a message as a client to a Postfix that has these protocols; IPv4 clients come translated to IPv6."""
        host = "127.0.0.1" if protocols == "ipv4" else "::1"
        with Smtp(host, port, network=self.network) as session:
            session.xclient(addr=client if protocols == "ipv4" else behind(client))
            session.ehlo("mail.honest.example" if client == HONEST else "stranger.example")
            return session.transaction("a@honest.example", ["b@lab.example"])


@pytest.fixture
def host() -> Iterator[Host]:
    with Namespace() as network, Lab() as lab:
        yield Host(lab, network)
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure


def addresses(protocols: str) -> tuple[str, ...]:
    return tuple(host for host, family in (("127.0.0.1", "ipv4"), ("::1", "ipv6")) if protocols in ("all", family))


@pytest.mark.parametrize("protocols", PROTOCOLS)
@pytest.mark.parametrize("kind", ["inet", "unix"])
def test_what_is_printed_works_whatever_families_postfix_has(host: Host, protocols: str, kind: str) -> None:
    if kind == "unix":  # in a folder that is Postfix's, and isn't there yet
        path = host.lab.folder / "3-told" / "queue" / "milter64.sock"
        host.milter.configure(f'{host.settings}[milter]\nsocket = "unix:{path}"\nsocket_group = "postfix"\n')
    told = host.lab.start(
        Told, host.file, network=host.network, addresses=addresses(protocols), inet_protocols=protocols
    )
    assert (told.before["code"], told.after["code"], told.after["troubles"]) == (os.EX_CONFIG, os.EX_OK, [])
    if kind == "unix":
        host.milter.reload()
        host.milter.wait_log(lambda line: line["event"] == "reloaded")
    assert host.send(25, protocols, STRANGER).text.startswith("5.7.23 SPF fail")
    assert host.send(25, protocols, HONEST).code == 250
    assert "spf=pass" in results(told.delivered()[0])


def test_the_package_listens_as_by_default() -> None:
    packaged, problems = parse(PACKAGED.read_text())
    assert (packaged.milter, problems) == (Settings().milter, [])
    assert str(packaged.milter.socket) == "inet:8864@localhost"


@pytest.mark.parametrize("protocols", PROTOCOLS)
@pytest.mark.parametrize("name", ["127.0.0.1", "[::1]", "localhost"])
def test_a_socket_is_called_out_of_reach_if_postfix_does_not_reach_it_and_only_then(
    host: Host, protocols: str, name: str
) -> None:
    postfix = host.lab.start(
        Postfix,
        milters=f"inet:{name}:{host.milter.port}",
        network=host.network,
        addresses=addresses(protocols),
        inet_protocols=protocols,
        services=("smtp inet n - n - 300 smtpd",),
    )
    found = advice(host.file, postfix.queue.parent / "etc")
    unreached = [trouble for trouble in found["troubles"] if "can't reach" in trouble["what"]]
    code = host.send(25, protocols, HONEST).code
    assert (code, bool(unreached)) in [(250, False), (451, True)]
    if unreached:
        assert found["code"] == os.EX_CONFIG
        assert all(trouble["breaks"] for trouble in unreached)
        until(lambda: "connect to Milter service" in postfix.output or "not found" in postfix.output, "its complaint")
