"""The rig itself: its servers do what stories need of them."""

import socket
import tomllib

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest

from rig.accept_all import AcceptAll
from rig.lab import Lab
from rig.longest import LONGEST
from rig.miltertest import miltertest
from rig.nat64 import CLIENT_IPV6, SERVER_IPV4, SERVER_IPV6, Nat64
from rig.network import HERE
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.procfs import processes
from rig.smtp import Smtp, proxy
from rig.unbound import Unbound

WELL_KNOWN = "64:ff9b::/96"
DNS64 = "2001:db8:64::/96"

ZONES = {
    ".": """
        mail.example.org. A 192.31.196.10
        10.196.31.192.in-addr.arpa. PTR mail.example.org.
        10.2.0.192.in-addr.arpa. PTR documentation.example.org.
        long.example.org. TXT ( "{0}" "{0}" "{0}" "{0}" "{0}" "{0}" )
        """.format("x" * 250),
    "broken.example": None,
}


@pytest.mark.parametrize("address", ["64:ff9b::c01f:c40a", "2001:db8::1", "192.31.196.10"])
def test_a_client_is_whoever_xclient_says(lab: Lab, address: str) -> None:
    milter = lab.start(AcceptAll)
    postfix = lab.start(Postfix, milters=milter.milters)
    with Smtp("127.0.0.1", postfix.port) as client:
        assert client.xclient(addr=address, name="mail.example.org").code == 220
        assert client.ehlo("helo.example.org").code == 250
        assert client.transaction("a@example.org", ["u@lab.example"]).code == 250
    (message,) = postfix.delivered()
    assert message.keys()[:5] == ["Return-Path", "X-Original-To", "Delivered-To", "X-Client", "Received"]
    assert message["X-Client"] == f"{address}, nobody"
    assert message["Received"].startswith("from helo.example.org (mail.example.org [")
    assert milter.wait_log(lambda line: line["name"] == "mail.example.org")["client"] == address


@pytest.mark.parametrize("address", ["64:ff9b::c01f:c40a", "192.31.196.10"])
def test_a_client_is_whoever_the_proxy_protocol_says(lab: Lab, address: str) -> None:
    milter = lab.start(AcceptAll)
    postfix = lab.start(Postfix, milters=milter.milters)
    with Smtp("::1", postfix.proxy_port, preamble=proxy(address)) as client:
        client.helo()
        assert client.transaction("", ["u@lab.example", "postmaster"]).code == 250
    assert [message["X-Client"] for message in postfix.delivered(2)] == [f"{address}, nobody"] * 2


def test_a_client_can_be_authenticated(lab: Lab) -> None:
    milter = lab.start(AcceptAll)
    postfix = lab.start(Postfix, milters=milter.milters)
    with Smtp("127.0.0.1", postfix.port) as client:
        client.xclient(addr="64:ff9b::c01f:c40a", login="joe")
        client.ehlo()
        client.transaction("a@example.org", ["u@lab.example"])
    assert postfix.delivered()[0]["X-Client"] == "64:ff9b::c01f:c40a, joe"


def test_a_chrooted_postfix_reaches_a_unix_socket_in_its_queue(lab: Lab) -> None:
    postfix = lab.start(Postfix, milters="unix:milter.sock", chroot=True)
    lab.start(AcceptAll, unix=postfix.queue / "milter.sock")
    with Smtp("127.0.0.1", postfix.port) as client:
        assert (postfix.queue, "smtpd") in processes("root")
        client.ehlo()
        client.transaction("a@example.org", ["u@lab.example"])
    assert postfix.delivered()[0]["X-Client"] == "127.0.0.1, nobody"


def test_a_session_goes_on_after_starttls(lab: Lab) -> None:
    postfix = lab.start(Postfix, tls=True)
    with Smtp("127.0.0.1", postfix.port) as client:
        assert "STARTTLS" in client.ehlo().text.splitlines()
        assert client.starttls().code == 220
        assert "STARTTLS" not in client.ehlo().text.splitlines()
        client.transaction("a@example.org", ["u@lab.example"])
    assert "ESMTPS" in postfix.delivered()[0]["Received"]


def test_a_message_is_delivered_to_the_letter(lab: Lab) -> None:
    postfix = lab.start(Postfix, smtputf8_enable="no")  # else smtpd itself refuses what is no UTF-8
    text = ".\n..\nGr\N{LATIN SMALL LETTER U WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e\n\n.end\n"
    with Smtp("127.0.0.1", postfix.port) as client:
        client.ehlo(b"\xff\xfe")
        client.transaction(b"caf\xe9@example.org", ["u@lab.example"], f"Subject: x\n\n{text}")
    assert postfix.delivered()[0].get_payload(decode=True) == text.encode()


@pytest.mark.parametrize(("action", "reply"), [("accept", 250), ("tempfail", 451), ("reject", 550)])
def test_a_setting_of_main_cf_counts(lab: Lab, action: str, reply: int) -> None:
    postfix = lab.start(Postfix, milters="unix:absent.sock", milter_default_action=action)
    with Smtp("127.0.0.1", postfix.port) as client:
        client.ehlo()
        assert client.transaction("a@example.org", ["u@lab.example"]).code == reply


@pytest.mark.parametrize(
    ("prefix", "wire"),
    [
        # 192.31.196.11 as RFC 6052 2.4 has 192.0.2.33.
        ("2001:db8::/32", "2001:db8:c01f:c40b::"),
        ("2001:db8:100::/40", "2001:db8:1c0:1fc4:b::"),
        ("2001:db8:122::/48", "2001:db8:122:c01f:c4:b00::"),
        ("2001:db8:122:300::/56", "2001:db8:122:3c0:1f:c40b::"),
        ("2001:db8:122:344::/64", "2001:db8:122:344:c0:1fc4:b00:0"),
        ("64:ff9b::/96", "64:ff9b::c01f:c40b"),
    ],
)
def test_an_ipv4_client_reaches_an_ipv6_only_server_through_the_translator(lab: Lab, prefix: str, wire: str) -> None:
    nat = lab.start(Nat64, prefix)
    milter = lab.start(AcceptAll, network=nat.server)
    postfix = lab.start(Postfix, milters=milter.milters, network=nat.server, addresses=[SERVER_IPV6])
    with Smtp(SERVER_IPV4, postfix.port, network=nat.client, source="192.31.196.11") as client:
        client.ehlo()
        client.transaction("a@example.org", ["u@lab.example"])
    assert postfix.delivered()[0]["X-Client"] == f"{wire}, nobody"


def test_a_client_with_both_families_has_two_ways(lab: Lab) -> None:
    nat = lab.start(Nat64, WELL_KNOWN, dual_stack=True)
    milter = lab.start(AcceptAll, network=nat.server)
    postfix = lab.start(Postfix, milters=milter.milters, network=nat.server, addresses=[SERVER_IPV6])
    for host in (SERVER_IPV6, SERVER_IPV4):
        with Smtp(host, postfix.port, network=nat.client) as client:
            client.ehlo()
            client.transaction("a@example.org", ["u@lab.example"])
    assert {message["X-Client"] for message in postfix.delivered(2)} == {
        f"{CLIENT_IPV6}, nobody",
        "64:ff9b::c01f:c40a, nobody",
    }


def test_an_ipv4_only_client_has_one_way(lab: Lab) -> None:
    nat = lab.start(Nat64, WELL_KNOWN)
    with pytest.raises(OSError, match="unreachable"):
        nat.client.connect(SERVER_IPV6, 25)


@pytest.mark.parametrize(
    ("name", "rdtype", "values"),
    [
        ("mail.example.org", "A", ["192.31.196.10"]),
        ("mail.example.org", "AAAA", []),
        ("10.196.31.192.in-addr.arpa", "PTR", ["mail.example.org."]),
        ("long.example.org", "TXT", [" ".join(['"' + "x" * 250 + '"'] * 6)]),
    ],
)
def test_nsd_serves_the_zones(lab: Lab, name: str, rdtype: str, values: list[str]) -> None:
    nsd = lab.start(Nsd, ZONES)
    assert _answers(nsd, name, rdtype) == values


def test_a_zone_without_a_file_is_servfail(lab: Lab) -> None:
    nsd = lab.start(Nsd, ZONES)
    assert _ask(nsd, "mail.broken.example", "A").rcode() == dns.rcode.SERVFAIL


def test_nsd_serves_inside_a_namespace(lab: Lab) -> None:
    nat = lab.start(Nat64, WELL_KNOWN)
    nsd = lab.start(Nsd, ZONES, network=nat.server, address="::1")
    assert nat.server.call(lambda: _answers(nsd, "mail.example.org", "A")) == ["192.31.196.10"]


def test_a_dns64_invents_aaaa_records(lab: Lab) -> None:
    unbound = lab.start(Unbound, lab.start(Nsd, ZONES), dns64=DNS64)
    assert _answers(unbound, "mail.example.org", "AAAA") == ["2001:db8:64::c01f:c40a"]


def test_without_dns64_unbound_invents_nothing(lab: Lab) -> None:
    unbound = lab.start(Unbound, lab.start(Nsd, ZONES))
    assert _answers(unbound, "mail.example.org", "AAAA") == []
    assert _answers(unbound, "10.2.0.192.in-addr.arpa", "PTR") == ["documentation.example.org."]


def test_a_silent_zone_gives_no_answer(lab: Lab) -> None:
    unbound = lab.start(Unbound, lab.start(Nsd, ZONES), silent=["silent.example"])
    with pytest.raises(dns.exception.Timeout):
        _ask(unbound, "mail.silent.example", "A", seconds=0.3)


def test_miltertest_is_an_ipv6_client(lab: Lab) -> None:
    milter = lab.start(AcceptAll)
    miltertest(
        """
        connection = mt.connect(socket)
        if mt.conninfo(connection, "mail.example.org", "64:ff9b::c01f:c40a") ~= nil then error("no connection") end
        if mt.getreply(connection) ~= SMFIR_CONTINUE then error("not continued") end
        mt.disconnect(connection)
        """,
        socket=milter.socket,
    )
    assert milter.wait_log(lambda line: line["name"] == "mail.example.org")["client"] == "64:ff9b::c01f:c40a"


@pytest.mark.parametrize(
    ("script", "why"), [("\nerror(reason)", "script:2: unexpected"), ("x = = 1", "unexpected symbol near '='")]
)
def test_a_script_that_fails_says_why(script: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        miltertest(script, reason="unexpected")


def test_the_socket_the_log_format_and_a_nameserver_are_added_to_a_configuration(lab: Lab) -> None:
    milter = lab.start(AcceptAll, 'mode = "observe"\n[milter]\nworkers = 1\n')
    assert tomllib.loads(milter.file.read_text()) == {
        "mode": "observe",
        "milter": {"socket": f"inet:{milter.port}@localhost", "workers": 1},
        "dns": {"nameservers": ["127.0.0.1:9"]},
        "log": {"format": "json"},
    }


def test_several_postfixes_run_side_by_side(lab: Lab) -> None:
    first, second = lab.start(Postfix), lab.start(Postfix)
    with Smtp("127.0.0.1", second.port) as client:
        client.ehlo()
        client.transaction("a@example.org", ["u@lab.example"])
    second.delivered()
    assert first.delivered(0) == []


def test_a_reserved_port_is_nobody_elses() -> None:
    with HERE.reserve("127.0.0.1", "::1") as held, HERE.reserve("127.0.0.1") as other:
        assert held.port != other.port
        with pytest.raises(OSError, match="in use"), socket.socket() as stranger:
            stranger.bind(("127.0.0.1", held.port))


def _ask(server: Nsd | Unbound, name: str, rdtype: str, *, seconds: float = 5.0) -> dns.message.Message:
    question = dns.message.make_query(name, rdtype)
    return dns.query.udp_with_fallback(question, server.address, port=server.port, timeout=seconds)[0]


def _answers(server: Nsd | Unbound, name: str, rdtype: str) -> list[str]:
    return [record.to_text() for rrset in _ask(server, name, rdtype).answer for record in rrset]


def test_what_is_to_begin_first_is_there() -> None:
    assert [path for path in LONGEST if not path.exists()] == []
