"""Values that no honest mail server passes, and a stranger's DNS: they break nothing, and reach nobody raw."""

import re
from collections.abc import Iterator

import pytest

from rig.direct import Message, judges_rightly, session
from rig.dnsserver import DnsServer, Records
from rig.lab import Lab
from rig.milterclient import Reply
from rig.procfs import children
from rig.service import Milter64
from rig.stage import MEMORY
from rig.world import HONEST, NAMELESS, RECORDS, STRANGER, behind

NO_UTF8 = b"\xff\xfe\x80"
EVIL = "a\r\nEvil: yes\x1b[31m\x07"
PLACES = ["name", "helo", "sender", "recipient", "parameter", "field", "value", "results", "j", "auth_authen", "i"]
UNTOLD = {"sender": "550 5.1.7 Address unreadable: ", "recipient": "550 5.1.3 Address unreadable: "}


@pytest.fixture(scope="module")
def milter() -> Iterator[Milter64]:
    with Lab() as lab, DnsServer(RECORDS) as dns:
        settings = f'{MEMORY}\n[dns]\nnameservers = ["{dns.address}"]\n[milter]\nworkers = 1\n'
        milter = lab.start(Milter64, f"{settings}\n[headers]\nreceived_spf = true\n")
        milter.wait_log(lambda line: line["event"] == "ready")
        yield milter


def send(milter: Milter64, **strange: bytes) -> list[Reply]:
    """Send an honest message with one strange value, and return what was answered to it all."""
    said = {name: strange.get(name, b"x") for name in PLACES}
    with session(milter) as client:
        macros = {"j": strange.get("j", b"mx.lab.example"), "client_addr": f"IPv6:{behind(HONEST)}".encode()}
        client.connect(said["name"], behind(HONEST), 25, **macros)
        client.helo(strange.get("helo", b"mail.honest.example"))
        sender = b"<%b>" % strange.get("sender", b"a@honest.example")
        client.mail(sender, said["parameter"], auth_authen=strange.get("auth_authen", b""))
        replies = [client.rcpt(b"<%b>" % strange.get("recipient", b"b@lab.example"), said["parameter"])]
        if replies[0].action == "continue":
            client.data()
            client.header(said["field"], said["value"])
            client.header("Authentication-Results", said["results"])
            client.eoh()
            replies.append(client.eom(i=said["i"]))
    return replies


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(NO_UTF8, id="no UTF-8"),
        pytest.param("\u2028ä".encode(), id="beyond ASCII"),
        pytest.param(EVIL.encode(), id="controls"),
        pytest.param(b"%s%n%s%n%s%n", id="formats"),
        pytest.param(b"x" * 60_000, id="long"),
    ],
)
def test_a_strange_value_is_answered_and_refuses_nobody_whose_addresses_can_be_told(
    milter: Milter64, place: str, value: bytes
) -> None:
    before = children(milter.pid)
    *_, last = send(milter, **{place: value})
    if place in UNTOLD:
        assert last.text.startswith(UNTOLD[place])
    else:
        assert last.action == "continue"
    for name, field in last.headers:
        assert re.fullmatch(r"Authentication-Results|Received-SPF", name)
        assert re.fullmatch(r"[ -~]+(\n [ -~]+)*", field)
    assert children(milter.pid) == before
    assert not [line for line in milter.log if line["level"] != "info"]
    assert judges_rightly(milter)


@pytest.mark.parametrize("place", PLACES)
def test_a_value_of_a_megabyte_costs_its_session_alone(milter: Milter64, place: str) -> None:
    before = children(milter.pid)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):  # libmilter's limit; to a mail server a 451
        send(milter, **{place: b"x" * 1_000_000})
    assert children(milter.pid) == before
    assert judges_rightly(milter)


def test_what_a_strangers_dns_says_reaches_reply_header_and_log_as_plain_text(lab: Lab) -> None:
    evil_name = r"a\013\010Evil:\032yes\027[31m\255.example"
    pointer = "{}.196.31.192.in-addr.arpa"
    records: Records = {
        **RECORDS,
        "evil.example": {"TXT": ["v=spf1 exp=why.evil.example -all"]},
        "why.evil.example": {"TXT": ["%{s} by %{h}, 100%%"]},
        "raw.example": {"TXT": ["v=spf1 exp=why.raw.example -all"]},
        "why.raw.example": {"TXT": [EVIL.encode() + b"\xff"]},
        "odd.example": {"TXT": [b"v=spf1 ip4:192.31.196.10 \r\nEvil:\x1b[31m\xff"]},
        pointer.format(20): {"PTR": [evil_name]},
        evil_name.lower(): {"A": [NAMELESS]},
    }
    with DnsServer(records) as dns:
        settings = f'{MEMORY}\n[dns]\nnameservers = ["{dns.address}"]\n[headers]\nreceived_spf = true\n'
        milter = lab.start(Milter64, settings)
        forged = Message(address=behind(STRANGER), sender='"a Evil: yes"@evil.example', helo=EVIL).offer(milter)
        raw = Message(address=behind(STRANGER), sender="a@raw.example", helo="stranger.example").offer(milter)
        odd = Message(address=behind(STRANGER), sender="a@odd.example", helo="stranger.example").offer(milter)
        named = Message(address=behind(NAMELESS), sender="a@none.example", helo="none.example").send(milter)
        assert judges_rightly(milter)
    assert '; evil.example explains: "a Evil: yes"@evil.example by a Evil: yes?[31m?, 100%% (m' in forged.text
    assert "is not permitted by raw.example (-all) (milter64 " in raw.text  # RFC 7208 6.2: ignored if it is malformed
    assert odd.text.startswith("450 4.7.1 Greylisted (SPF permerror)")
    assert named.action == "continue"
    for text in (forged.text, raw.text, odd.text, *(value for _, value in named.headers)):
        assert re.fullmatch(r"[ -~]+(\n [ -~]+)*", text)
    for line in milter.log:
        assert re.fullmatch(r"[ -~]*", "".join(map(str, line.values())))
