"""OpenDKIM's InternalHosts and OpenDMARC's IgnoreHosts find a translated client where the audit says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.audit.facts.host_lists import HostList
from rig.lab import Lab
from rig.neighbours import OpenDkim, OpenDmarc
from rig.network import HERE, Namespace
from rig.port53 import give_dns_address
from rig.postfix import Postfix
from rig.scene import Scene
from rig.smtp import Smtp

pytestmark = pytest.mark.long

WIRE = "64:ff9b::c01f:c40a"
MESSAGE = "From: a@honest.example\nTo: b@lab.example\nSubject: test\nDate: Sat, 21 Nov 2026 03:00:00 +0000\n\nHi.\n"


@pytest.fixture(scope="module")
def network() -> Iterator[Namespace]:
    with Namespace() as network:
        give_dns_address(network)
        yield network


def found(lab: Lab, network: Namespace, entry: str) -> tuple[bool, bool]:
    """Return whether OpenDKIM takes the client for internal, and whether OpenDMARC ignores it."""
    key, hosts = lab.folder / "key.pem", lab.folder / "hosts"
    HERE.run("openssl", "genrsa", "-out", str(key), "2048")
    hosts.write_text(f"{entry}\n")
    signing = {"Mode": "sv", "Domain": "honest.example", "Selector": "sel", "KeyFile": str(key)}
    dkim = lab.start(OpenDkim, network=network, InternalHosts=str(hosts), **signing)
    dmarc = lab.start(OpenDmarc, network=network, IgnoreHosts=str(hosts))
    postfix = lab.start(Postfix, milters=f"{dkim.milters}, {dmarc.milters}", network=network)
    with Smtp("127.0.0.1", postfix.port, network=network) as client:
        client.xclient(addr=WIRE)
        client.ehlo("helo.example")
        assert client.transaction("a@honest.example", ["b@lab.example"], MESSAGE).code == 250
    (message,) = postfix.delivered()
    results = " ".join(map(str, message.get_all("Authentication-Results", [])))
    return "DKIM-Signature" in message, "dmarc=" not in results


@pytest.mark.parametrize(
    ("entry", "finds"),
    [
        (WIRE, True),
        (WIRE.upper(), True),
        (f"[{WIRE}]", True),
        (f"{WIRE}/128", True),
        ("64:ff9b::c01f:c400/120", True),
        ("64:ff9b::/96", True),
        ("192.31.196.10", False),
        ("192.31.196.0/24", False),
        ("64:ff9b:0:0:0:0:c01f:c40a", False),
        ("64:ff9b::192.31.196.10", False),
        (f"{WIRE}/120", False),
        ("64:ff9b:0::/96", False),
    ],
)
def test_both_compare_text_as_the_audit_says(lab: Lab, network: Namespace, entry: str, *, finds: bool) -> None:
    assert found(lab, network, entry) == (finds, finds)
    hosts = HostList(program="OpenDKIM", setting="InternalHosts", file=Path("/hosts"), entries=(entry,))
    (line,) = Scene(host_lists=(hosts,), main={"inet_protocols": "ipv6"}).lines("neighbours")
    assert (line.level.value == "warning") is not finds
