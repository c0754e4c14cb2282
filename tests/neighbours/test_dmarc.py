"""milter64, OpenDKIM and OpenDMARC in one Postfix: OpenDMARC goes by our spf= result, wherever it stands behind us."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from textwrap import dedent

import pytest

from rig.lab import Lab
from rig.neighbours import OpenDkim, OpenDmarc
from rig.network import HERE, Namespace, Network
from rig.pages import blocks, page
from rig.port53 import Dns, give_dns_address
from rig.postfix import Postfix
from rig.service import Milter64
from rig.smtp import Reply, Smtp
from rig.stage import MEMORY
from rig.world import HONEST, STRANGER, ZONES, behind

NOBODY = "I see nobody behind milter64 that checks DMARC: nobody refuses whom spf.actions.fail lets in"
FAIL = 7
"""ARES_RESULT_FAIL in OpenDMARC's history."""
(LETTING_DMARC_DECIDE,) = blocks(page("neighbours"), "toml")
OPENDMARC = dict(line.split() for line in blocks(page("neighbours"), "text")[0].splitlines())
"""The lines for opendmarc.conf."""
RECORDS = f"""
    _dmarc.honest.example. TXT "v=DMARC1; p=reject"
    _dmarc.gentle.example. TXT "v=DMARC1; p=none"
    gentle.example. TXT "v=spf1 ip4:{HONEST} -all"
    helo.provider.example. TXT "v=spf1 ip4:{HONEST} -all"
    _dmarc.each.example. TXT "v=DMARC1; p=reject"
    each.example. TXT "v=spf1 exists:%{{l}}.each.example -all"
    a.each.example. A 127.0.0.2
    _dmarc.half.example. TXT "v=DMARC1; p=reject"
    half.example. TXT "v=spf1 -all"
    nobody.example. TXT "v=spf1 ip4:{HONEST} -all"
    mute.example. TXT "v=spf1 ip4:{HONEST} -all"
    _dmarc.careful.example. TXT "v=DMARC1; p=quarantine"
    careful.example. TXT "v=spf1 ip4:{HONEST} -all"
    _dmarc.firm.org. TXT "v=DMARC1; p=reject"
    staff.firm.org. TXT "v=spf1 ip4:{HONEST} -all"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A namespace with DNS, and a message of honest.example's that its own OpenDKIM has signed."""

    network: Network
    lab: Lab
    dns: Dns
    signed: str

    def milter(self, configuration: str = LETTING_DMARC_DECIDE) -> Milter64:
        text = f'{MEMORY}\n{configuration}\n[dns]\nnameservers = ["{self.dns.server}"]\n'
        return self.lab.start(Milter64, text, network=self.network)

    def dmarc(self, **settings: str) -> OpenDmarc:
        given = {name: value for name, value in {**OPENDMARC, **settings}.items() if value}
        return self.lab.start(OpenDmarc, network=self.network, **given)

    def postfix(self, *milters: Milter64 | OpenDkim | OpenDmarc) -> Postfix:
        return self.lab.start(Postfix, milters=", ".join(each.milters for each in milters), network=self.network)

    def send(self, postfix: Postfix, message: str, address: str, domain: str = "honest.example") -> Reply:
        helo = {HONEST: "helo.provider.example", STRANGER: "stranger.example"}.get(address, address)
        with Smtp("127.0.0.1", postfix.port, network=self.network) as client:
            if address != "127.0.0.1":
                client.xclient(addr=behind(address))
            client.ehlo(helo)
            return client.transaction(f"a@{domain}", ["b@lab.example"], message)


def plain(domain: str = "honest.example", head: str = "") -> str:
    return f"{head}From: a@{domain}\nTo: b@lab.example\nSubject: test\nDate: Sat, 21 Nov 2026 03:00:00 +0000\n\nHi.\n"


def results(message: Message) -> list[str]:
    """Return the Authentication-Results fields, each up to its second result."""
    fields = message.get_all("Authentication-Results", [])
    return ["; ".join(" ".join(str(field).split()).split("; ")[:2]) for field in fields]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Namespace() as network, Lab() as lab:
        give_dns_address(network)
        key = lab.folder / "key.pem"
        records = [ZONES["."] or "", RECORDS, f"sel._domainkey.honest.example. TXT {public(key)}\n"]
        zones = {".": "".join(map(dedent, records)), "_dmarc.mute.example": None}
        dns = lab.start(Dns, zones, network=network)
        world = World(network=network, lab=lab, dns=dns, signed="")
        signing = {
            "Mode": "s",
            "Domain": "honest.example",
            "Selector": "sel",
            "KeyFile": str(key),
            "Canonicalization": "relaxed/relaxed",
        }
        signer = lab.start(OpenDkim, network=network, **signing)
        postfix = world.postfix(signer)
        assert world.send(postfix, plain(), "127.0.0.1").code == 250
        text = postfix.delivered()[0].as_string()
        yield World(network=network, lab=lab, dns=dns, signed=text[text.index("DKIM-Signature:") :])
        for server in lab.servers:
            print(f"--- {type(server).__name__}\n{server.output}")  # noqa: T201  pytest shows it beside a failure


def public(key: Path) -> str:
    """Make a key, and return its public half as the strings of a TXT record."""
    HERE.run("openssl", "genrsa", "-out", str(key), "2048")
    der = subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-outform", "DER"], capture_output=True, check=True)
    text = f"v=DKIM1; k=rsa; p={base64.b64encode(der.stdout).decode()}"
    return " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200))


@pytest.fixture(scope="module")
def right(world: World) -> Postfix:
    """A Postfix with the three in the right order."""
    return world.postfix(world.milter(), world.lab.start(OpenDkim, network=world.network, Mode="v"), world.dmarc())


def delivered(postfix: Postfix, before: int) -> Message:
    return postfix.delivered(before + 1)[-1]


def count(postfix: Postfix) -> int:
    return len(postfix.delivered(0))


def test_dmarc_passes_by_our_result_about_the_decoded_address(world: World, right: Postfix) -> None:
    before = count(right)
    assert world.send(right, plain(), HONEST).code == 250
    assert results(delivered(right, before)) == [
        "mx.lab.example; dmarc=pass (p=reject dis=none) header.from=honest.example",
        "mx.lab.example; spf=pass (ip4:192.31.196.10 of helo.provider.example) smtp.helo=helo.provider.example",
        "mx.lab.example; spf=pass (ip4:192.31.196.10 of honest.example) smtp.mailfrom=honest.example",
    ]


def test_without_us_dmarc_asks_spf_about_the_address_on_the_wire_and_refuses_the_honest(world: World) -> None:
    alone = world.postfix(world.dmarc(SPFSelfValidate="true"))
    assert world.send(alone, plain(), HONEST).text == "5.7.1 rejected by DMARC policy for honest.example"


@pytest.mark.parametrize(("domain", "owner"), [("honest.example", "honest.example"), ("staff.firm.org", "firm.org")])
def test_what_spf_fails_and_nobody_has_signed_is_refused_by_dmarc_and_by_an_organisations_policy_too(
    world: World, right: Postfix, domain: str, owner: str
) -> None:
    refused = world.send(right, plain(domain), STRANGER, domain)
    assert refused.text == f"5.7.1 rejected by DMARC policy for {owner}"


def test_what_spf_fails_and_the_author_has_signed_is_let_in_if_we_leave_it_to_dmarc(
    world: World, right: Postfix
) -> None:
    before = count(right)
    assert world.send(right, world.signed, STRANGER).code == 250
    found = " ".join(results(delivered(right, before)))
    for result in ("dmarc=pass (p=reject", "dkim=pass (2048-bit key", "spf=fail ("):
        assert result in found


def test_the_log_says_why_somebody_came_in_who_had_failed_spf(world: World) -> None:
    milter = world.milter()
    postfix = world.postfix(milter, world.dmarc())
    assert world.send(postfix, plain("gentle.example"), STRANGER, "gentle.example").code == 250
    line = milter.wait_log(lambda line: line["event"] == "accepted")
    assert (line["spf"], line["dmarc"]) == ("fail", "policy")
    assert line["because"] == "dmarc policy: gentle.example publishes p=none"


@pytest.mark.parametrize(
    ("domain", "code", "text"),
    [("nobody.example", 550, "5.7.23 SPF fail: "), ("mute.example", 451, "4.7.24 DMARC temperror: _dmarc.mute.exam")],
)
def test_without_a_policy_a_fail_is_refused_before_a_word_of_the_message_and_put_off_without_dns(
    world: World, right: Postfix, domain: str, code: int, text: str
) -> None:
    with Smtp("127.0.0.1", right.port, network=world.network) as client:
        client.xclient(addr=behind(STRANGER))
        client.ehlo("stranger.example")
        client.mail(f"a@{domain}")
        reply = client.rcpt("b@lab.example")
    assert (reply.code, reply.text[: len(text)]) == (code, text)


@pytest.mark.parametrize(("domain", "dmarc"), [("gentle.example", "p=none"), ("careful.example", "p=quarantine")])
def test_forged_mail_of_a_domain_that_asks_nobody_to_refuse_it_comes_in_and_says_so(
    world: World, right: Postfix, domain: str, dmarc: str
) -> None:
    before = count(right)
    assert world.send(right, plain(domain), STRANGER, domain).code == 250
    found = " ".join(results(delivered(right, before)))
    for result in (f"dmarc=fail ({dmarc} ", "spf=fail ("):
        assert result in found


def test_of_the_headers_from_alone_dmarc_asks_for_a_policy(world: World, right: Postfix) -> None:
    assert world.send(right, plain("nobody.example"), STRANGER, "honest.example").code == 250


def test_without_a_list_of_public_suffixes_dmarc_misses_an_organisations_policy(world: World) -> None:
    postfix = world.postfix(world.milter(), world.dmarc(PublicSuffixList=""))
    assert world.send(postfix, plain("staff.firm.org"), STRANGER, "staff.firm.org").code == 250


def test_by_default_we_refuse_forwarded_mail_before_its_signature_is_seen(world: World) -> None:
    strict = world.postfix(world.milter(""), world.lab.start(OpenDkim, network=world.network, Mode="v"), world.dmarc())
    assert world.send(strict, world.signed, STRANGER).text.startswith("5.7.23 SPF fail")


def test_a_result_forged_in_our_name_does_not_reach_dmarc(world: World, right: Postfix) -> None:
    forged = plain(head="Authentication-Results: mx.lab.example; spf=pass smtp.mailfrom=honest.example\n")
    assert world.send(right, forged, STRANGER).text == "5.7.1 rejected by DMARC policy for honest.example"
    alone = world.postfix(world.dmarc())
    assert world.send(alone, forged, STRANGER).code == 250


def test_dmarc_passes_where_spf_has_asked_for_the_local_part(world: World, right: Postfix) -> None:
    before = count(right)
    assert world.send(right, plain("each.example"), HONEST, "each.example").code == 250
    assert "dmarc=pass (p=reject" in results(delivered(right, before))[0]


def test_what_helo_passes_says_nothing_for_the_sender_to_dmarc(world: World, right: Postfix) -> None:
    refused = world.send(right, plain("half.example"), HONEST, "half.example")
    assert refused.text == "5.7.1 rejected by DMARC policy for half.example"


@pytest.mark.parametrize("authentication_results", ["true", "false"])
def test_nor_does_it_in_our_received_spf(world: World, authentication_results: str) -> None:
    fields = f"authentication_results = {authentication_results}\nreceived_spf = true\n"
    postfix = world.postfix(world.milter(f"{LETTING_DMARC_DECIDE}\n[headers]\n{fields}"), world.dmarc())
    assert world.send(postfix, plain("half.example"), HONEST, "half.example").code == 550


def test_a_strangers_received_spf_does_not_reach_dmarc(world: World) -> None:
    received = "Received-SPF: pass receiver=mx.lab.example; identity=mailfrom; envelope-from=a@honest.example\n"
    postfix = world.postfix(world.milter(), world.dmarc())
    assert world.send(postfix, plain(head=received), STRANGER).code == 550
    assert postfix.delivered(0) == []


def test_the_history_of_dmarc_has_our_result_for_the_sender(world: World) -> None:
    history = world.lab.folder / "history"
    postfix = world.postfix(world.milter(), world.dmarc(HistoryFile=str(history), RejectFailures="false"))
    assert world.send(postfix, plain("half.example"), HONEST, "half.example").code == 250
    postfix.delivered()
    assert re.findall("^(?:spf|mfrom) .*", history.read_text(), flags=re.MULTILINE) == [
        "mfrom half.example",
        f"spf {FAIL}",
    ]


@pytest.mark.parametrize(
    ("trusted", "code"), [({}, 550), ({"TrustedAuthservIDs": "mx.lab.example,spf.lab.example"}, 250)]
)
def test_a_name_of_our_own_must_be_among_those_that_dmarc_trusts(
    world: World, trusted: dict[str, str], code: int
) -> None:
    milter = world.milter(f'{LETTING_DMARC_DECIDE}\n[milter]\nauthserv_id = "spf.lab.example"\n')
    assert world.send(world.postfix(milter, world.dmarc(**trusted)), plain(), HONEST).code == code


def test_before_us_dmarc_sees_no_result_and_what_it_writes_is_deleted_as_forged(world: World) -> None:
    wrong = world.postfix(world.dmarc(), world.milter())
    assert world.send(wrong, plain(), HONEST).text == "5.7.1 rejected by DMARC policy for honest.example"
    assert world.send(wrong, plain("gentle.example"), HONEST, "gentle.example").code == 250
    assert results(wrong.delivered()[0]) == [
        "mx.lab.example; spf=pass (ip4:192.31.196.10 of helo.provider.example) smtp.helo=helo.provider.example",
        "mx.lab.example; spf=pass (ip4:192.31.196.10 of gentle.example) smtp.mailfrom=gentle.example",
    ]


def test_the_wrong_order_is_warned_of(world: World) -> None:
    milter, dmarc = world.milter(), world.dmarc()
    etc = world.lab.folder / f"order-{milter.port}"
    etc.mkdir()
    found = []
    orders: list[list[Milter64 | OpenDmarc]] = [[dmarc, milter], [milter, dmarc]]
    for milters in [", ".join(each.milters for each in order) for order in orders]:
        main = f"compatibility_level = 3.6\nsmtpd_client_connection_count_limit = 0\nsmtpd_milters = {milters}\n"
        for name, text in {"main.cf": main, "master.cf": "smtp inet n - n - - smtpd\n"}.items():
            (etc / name).write_text(text)
            os.utime(etc / name, (0, 0))
        command = ["milter64", "postfix", "--config", str(milter.file), "--config-directory", str(etc), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found.append((done.returncode, [trouble["what"] for trouble in json.loads(done.stdout)["troubles"]]))
    assert found == [
        (78, [f"{dmarc.milters} comes before milter64, which takes its Authentication-Results for forged", NOBODY]),
        (0, []),
    ]
