"""The real path: mail of an IPv4-only client reaches an IPv6-only Postfix through tayga."""

import pytest

from rig.lab import Lab
from rig.mail import facts, results
from rig.nat64 import SERVER_IPV4, SERVER_IPV6, Nat64
from rig.smtp import Smtp
from rig.stage import MEMORY, set_stage

ZONES = {
    ".": """
        example.org. TXT "v=spf1 ip4:192.31.196.10 -all"
        mail.example.org. A 192.31.196.10
        10.196.31.192.in-addr.arpa. PTR mail.example.org.
        """,
}
PREFIXES = [
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
    "64:ff9b::/96",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_honest_ipv4_sender_is_recognised_behind_every_length_of_prefix(lab: Lab, prefix: str) -> None:
    nat = lab.start(Nat64, prefix)
    configuration = f'{MEMORY}\n[translation]\nprefixes = ["{prefix}"]\n'
    stage = set_stage(lab, ZONES, configuration, network=nat.server, addresses=(SERVER_IPV6,))
    with Smtp(SERVER_IPV4, stage.postfix.port, network=nat.client, source="192.31.196.10") as client:
        client.ehlo("mail.example.org")
        assert client.transaction("a@example.org", ["u@lab.example"]).code == 250
    (message,) = stage.postfix.delivered()
    assert "spf=pass (ip4:192.31.196.10 of example.org) smtp.mailfrom=example.org" in results(message)
    assert "iprev=pass (mail.example.org) policy.iprev=192.31.196.10" in results(message)
    assert facts(
        stage.milter.wait_log(lambda line: line["event"] == "accepted"), "client", "origin", "spf", "iprev"
    ) == {
        "client": "192.31.196.10",
        "origin": "translated",
        "spf": "pass",
        "iprev": "pass",
    }
