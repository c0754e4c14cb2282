"""The real path: mail of an IPv4-only client reaches an IPv6-only Postfix through tayga."""

import pytest

from rig.lab import Lab
from rig.mail import facts, results
from rig.nat64 import CLIENT_IPV6, SERVER_IPV4, SERVER_IPV6, Nat64
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.smtp import Reply, Smtp
from rig.stage import MEMORY, Stage, set_stage, wait_out_the_delay
from rig.unbound import Unbound

WELL_KNOWN = "64:ff9b::/96"
ZONES = {
    ".": """
        example.org. TXT "v=spf1 ip4:192.31.196.10 ip6:3fff:4::10 -all"
        mail.example.org. A 192.31.196.10
        10.196.31.192.in-addr.arpa. PTR mail.example.org.
        none.example. A 192.31.196.99
        wide64.example. TXT "v=spf1 a:mail.example.org//64 -all"
        """,
}
PREFIXES = [
    "2001:db8::/32",
    "2001:db8:100::/40",
    "2001:db8:122::/48",
    "2001:db8:122:300::/56",
    "2001:db8:122:344::/64",
    WELL_KNOWN,
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_honest_ipv4_sender_is_recognised_behind_every_length_of_prefix(lab: Lab, prefix: str) -> None:
    nat = lab.start(Nat64, prefix)
    configuration = f'{MEMORY}\n[translation]\nprefixes = ["{prefix}"]\n'
    stage = set_stage(lab, ZONES, configuration, network=nat.server, addresses=(SERVER_IPV6,))
    assert _send(nat, stage, SERVER_IPV4, "192.31.196.10").code == 250
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


def test_without_the_prefix_the_real_sender_is_not_recognised(lab: Lab) -> None:
    prefix = "2001:db8:122:344::/96"
    nat = lab.start(Nat64, prefix)
    stage = set_stage(lab, ZONES, MEMORY, network=nat.server, addresses=(SERVER_IPV6,))
    reply = _send(nat, stage, SERVER_IPV4, "192.31.196.10")
    assert (reply.code, reply.text[:16]) == (550, "5.7.23 SPF fail:")
    assert "2001:db8:122:344::c01f:c40a is not permitted by example.org" in reply.text
    line = stage.milter.wait_log(lambda line: line["event"] == "rejected")
    assert facts(line, "client", "origin", "spf") == {
        "client": "2001:db8:122:344::c01f:c40a",
        "origin": "ipv6",
        "spf": "fail",
    }


def test_the_well_known_prefix_is_not_held_against_a_client_when_nobody_configured_it(lab: Lab) -> None:
    nat = lab.start(Nat64, WELL_KNOWN)
    stage = set_stage(
        lab, ZONES, f"{MEMORY}\n[translation]\nprefixes = []\n", network=nat.server, addresses=(SERVER_IPV6,)
    )
    assert _send(nat, stage, SERVER_IPV4, "192.31.196.10").code == 250
    line = stage.milter.wait_log(lambda line: line["event"] == "accepted")
    assert facts(line, "origin", "spf", "iprev") == {"origin": "undecoded", "spf": None, "iprev": None}


def test_two_ipv4_senders_behind_one_prefix_are_two_clients_to_the_greylist(lab: Lab) -> None:
    nat = lab.start(Nat64, WELL_KNOWN, addresses=("192.31.196.10", "192.31.197.10"))
    stage = set_stage(lab, ZONES, f'{MEMORY}apply = "all"\n', network=nat.server, addresses=(SERVER_IPV6,))

    def send(source: str) -> int:
        return _send(nat, stage, SERVER_IPV4, source, sender="a@none.example").code

    assert send("192.31.196.10") == 450
    until(lambda: send("192.31.196.10") == 250, "the first client to pass")
    assert send("192.31.197.10") == 450

    def groups() -> set[str]:
        return {line["group"] for line in stage.milter.log if line.get("greylist") == "new"}

    until(lambda: groups() == {"net:192.31.196.0/24", "net:192.31.197.0/24"}, "the lines about both")


def test_a_sender_put_off_over_native_ipv6_may_come_back_over_ipv4_through_the_translator(lab: Lab) -> None:
    nat = lab.start(Nat64, WELL_KNOWN, dual_stack=True)
    stage = set_stage(lab, ZONES, f'{MEMORY}apply = "all"\n', network=nat.server, addresses=(SERVER_IPV6,))
    assert _send(nat, stage, SERVER_IPV6, CLIENT_IPV6).code == 450
    wait_out_the_delay()
    assert _send(nat, stage, SERVER_IPV4, "192.31.196.10").code == 250
    first = stage.milter.wait_log(lambda line: line["event"] == "greylisted")
    passed = stage.milter.wait_log(lambda line: line["event"] == "accepted")
    assert facts(first, "client", "origin") == {"client": CLIENT_IPV6, "origin": "ipv6"}
    assert facts(passed, "client", "origin", "greylist") == {
        "client": "192.31.196.10",
        "origin": "translated",
        "greylist": "passed",
    }
    assert passed["group"] in {"spf:example.org", "rdns:example.org"}


def test_answers_that_dns64_invents_let_no_forger_pass(lab: Lab) -> None:
    """An `a:host//64` record passes for every IPv4 client on Earth, if AAAA records of DNS64 are believed."""
    nat = lab.start(Nat64, WELL_KNOWN)
    nsd = lab.start(Nsd, ZONES, network=nat.server)
    unbound = lab.start(Unbound, nsd, dns64=WELL_KNOWN, network=nat.server)
    for prefixes, code in (("[]", 250), (f'["{WELL_KNOWN}"]', 550)):
        settings = f'{MEMORY}\n[translation]\nprefixes = {prefixes}\n[dns]\nnameservers = ["{unbound.server}"]\n'
        milter = lab.start(Milter64, settings, network=nat.server)
        postfix = lab.start(Postfix, milters=milter.milters, network=nat.server, addresses=(SERVER_IPV6,))
        stage = Stage(dns=nsd, milter=milter, postfix=postfix)
        reply = _send(nat, stage, SERVER_IPV4, "192.31.196.11", sender="a@wide64.example")
        assert reply.code == code
        assert not any(line.get("spf") == "pass" for line in milter.log)
    assert "192.31.196.11 is not permitted by wide64.example" in reply.text


def test_who_hides_behind_a_public_gateway_is_put_off_and_not_banned_once_that_shows(lab: Lab) -> None:
    """A router hides the world of IPv4 behind its own address, before the translator."""
    nat = lab.start(Nat64, WELL_KNOWN)
    stage = set_stage(lab, ZONES, MEMORY, network=nat.server, addresses=(SERVER_IPV6,))
    gateway = "192.31.196.11"
    assert _send(nat, stage, SERVER_IPV4, gateway).text.startswith("5.7.23 SPF fail")
    for number in range(20):
        with Smtp(SERVER_IPV4, stage.postfix.port, network=nat.client, source=gateway) as client:
            client.ehlo(f"mail.s{number}.example")
            client.transaction(f"a@s{number}.example", ["u@lab.example"])
    line = stage.milter.wait_log(lambda line: line["event"] == "shared")
    assert line["client"] == "64:ff9b::c01f:c40b"
    until(lambda: _send(nat, stage, SERVER_IPV4, gateway).code == 451, "it to be put off")
    deferred = stage.milter.wait_log(lambda line: line["event"] == "deferred")
    assert facts(deferred, "reply", "spf", "ban") == {"reply": "451 4.7.23", "spf": "fail", "ban": None}
    assert _send(nat, stage, SERVER_IPV4, "192.31.196.10").code == 250


def _send(nat: Nat64, stage: Stage, host: str, source: str, *, sender: str = "a@example.org") -> Reply:
    with Smtp(host, stage.postfix.port, network=nat.client, source=source) as client:
        client.ehlo("mail.example.org")
        return client.transaction(sender, ["u@lab.example"])
