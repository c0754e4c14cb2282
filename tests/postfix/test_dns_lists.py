"""Stories of a real Postfix, and of DNS lists as zone files that a real nameserver serves (RFC 5782)."""

import pytest

from rig.lab import Lab
from rig.mail import Mail, results
from rig.smtp import Smtp
from rig.stage import MEMORY, set_stage
from rig.world import HONEST, STRANGER, STRANGER_IPV6, ZONES, behind

FOUR = ".".join(reversed(STRANGER.split(".")))
SIX = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.a.b.0.8.b.d.0.1.0.0.2"
TESTS = f"""
    2.0.0.127 A 127.0.0.2
    2.0.0.0.0.0.f.7.f.f.f.f.{".".join("0" * 20)} A 127.0.0.2
    TEST A 127.0.0.2
"""
LISTED = f'{TESTS}\n    {FOUR} A 127.0.0.4\n    {FOUR} TXT "spam"\n    {SIX} A 127.0.0.4\n'
LIST = """
[[dnslist]]
zone = "bl.lists.example"
answers = ["127.0.0.2-11"]
text = "see https://bl.lists.example/{address}"
"""


@pytest.mark.parametrize(("wire", "address"), [(behind(STRANGER), STRANGER), (STRANGER_IPV6, STRANGER_IPV6)])
def test_whom_a_list_has_is_refused_by_the_address_that_is_his_own(lab: Lab, wire: str, address: str) -> None:
    stage = set_stage(lab, {**ZONES, "bl.lists.example": LISTED}, LIST + MEMORY)
    reply = Mail(token="listed", address=wire, helo="stranger.example", sender="a@none.example").send(stage)
    told = f"5.7.1 bl.lists.example lists {address}: see https://bl.lists.example/{address} (milter64 "
    assert (reply.code, reply.text[: len(told)]) == (550, told)
    assert Mail(token="honest", address=behind(HONEST)).send(stage).code == 250


@pytest.mark.parametrize("wildcard", ["*", "*.196.31.192"])
def test_a_list_that_a_wildcard_has_made_one_of_everybody_costs_no_mail(lab: Lab, wildcard: str) -> None:
    """Its test entries are still right, as below 127 there are entries, where the wildcard doesn't reach."""
    zones = {**ZONES, "bl.lists.example": f"{TESTS}\n    {wildcard} A 127.0.0.2\n"}
    stage = set_stage(lab, zones, LIST + MEMORY)
    mail = Mail(token="everybody", address=behind(HONEST))
    if wildcard == "*":
        assert mail.send(stage).code == 250
        line = stage.milter.wait_log(lambda line: line["event"] == "dns list")
        assert "it lists whatever it is asked about" in line["trouble"]
        assert mail.logged(stage, "accepted")["dnsbl"] == "bl.lists.example:permerror"
    else:  # a range, as RFC 5782 6 lets lists have them
        assert mail.send(stage).code == 550


def test_whom_a_list_praises_need_not_wait_and_the_header_says_so(lab: Lab) -> None:
    praise = '[[dnslist]]\nzone = "wl.lists.example"\naction = "accept"\n'
    stage = set_stage(lab, {**ZONES, "wl.lists.example": LISTED}, f'{praise}{MEMORY}apply = "all"\n')
    mail = Mail(token="praised", address=behind(STRANGER), helo="stranger.example", sender="a@none.example")
    assert mail.send(stage).code == 250
    assert "dnswl=pass (wl.lists.example lists 192.31.196.40) dns.zone=wl.lists.example policy.ip=127.0.0.4" in results(
        mail.delivered(stage)
    )
    assert Mail(token="unknown", address=behind(HONEST)).send(stage).code == 450


DOMAINS = """
    TEST A 127.0.1.2
    xn--bcher-kva.example A 127.0.1.2
    bad.example A 127.0.1.2
    *.bad.example A 127.0.1.2
"""
LONG = ".".join(["x" * 60, "y" * 60, "z" * 60, "w" * 50])


SENDERS = {
    "joe@b\u00fccher.example": 550,
    "joe@B\u00dcCHER.example": 550,
    "joe@xn--bcher-kva.example": 550,
    f"joe@{LONG}.bad.example": 550,
    "joe@honest.example": 250,
    "joe@bad": 250,
    "joe@[192.31.196.10]": 250,
    "": 250,
}


def test_a_list_of_domains_knows_senders_however_they_are_written_and_asks_about_no_literals(lab: Lab) -> None:
    settings = '[[dnslist]]\nzone = "dbl.lists.example"\nabout = ["sender"]\n[spf]\nenabled = false\n'
    stage = set_stage(lab, {**ZONES, "dbl.lists.example": DOMAINS}, settings + MEMORY)
    replies = {}
    for sender in SENDERS:
        with Smtp("127.0.0.1", stage.postfix.port) as client:
            client.xclient(addr=behind(HONEST))
            client.ehlo("mail.honest.example")
            assert client.mail(sender, "SMTPUTF8").code == 250
            reply = client.rcpt("domains@lab.example")
            replies[sender] = reply if reply.code == 550 else client.data()
    assert {sender: reply.code for sender, reply in replies.items()} == SENDERS
    refusals = [reply.text for reply in replies.values() if reply.code == 550]
    assert all(text.startswith("5.7.1 dbl.lists.example lists ") for text in refusals)
