"""Debian's miltertest, an independent implementation of the mail server's side, plays short sessions."""

from collections.abc import Iterator

import pytest

from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.miltertest import miltertest
from rig.service import Milter64
from rig.stage import MEMORY
from rig.world import HONEST, NAMELESS, RECORDS, STRANGER, behind

PLAY = """
mt.set_timeout(20)
function must(what, result) if result ~= nil then error(what .. " failed") end end
function begin(address, helo)
    local session = mt.connect(socket)
    must("CONNECT", mt.conninfo(session, "client.example", address))
    must("HELO", mt.helo(session, helo))
    return session
end
function mail(session, sender)
    must("macros", mt.macro(session, SMFIC_MAIL, "i", "QUEUEID"))
    must("MAIL", mt.mailfrom(session, sender))
end
function rcpt(session, recipient, expected)
    must("RCPT", mt.rcptto(session, recipient))
    local reply = string.char(mt.getreply(session))
    if reply ~= expected then error(recipient .. " is answered with " .. reply) end
end
-- DATA, the end of the header and the body were negotiated away, and miltertest refuses to send them.
function content(session, ...)
    for i, value in ipairs({...}) do must("header", mt.header(session, "Authentication-Results", value)) end
    must("header", mt.header(session, "Subject", "test"))
    must("EOM", mt.eom(session))
end
function added(session)
    if mt.getreply(session) ~= SMFIR_CONTINUE then error("refused at end of message") end
    if not mt.eom_check(session, MT_HDRINSERT, "Authentication-Results") then error("no Authentication-Results") end
end
"""


@pytest.fixture(scope="module")
def dns() -> Iterator[DnsServer]:
    with DnsServer(RECORDS) as server:
        yield server


@pytest.fixture(scope="module", params=["inet", "unix"])
def milter(request: pytest.FixtureRequest, dns: DnsServer) -> Iterator[Milter64]:
    with Lab() as lab:
        unix = lab.folder / "milter64.sock" if request.param == "unix" else None
        settings = f'{MEMORY}\n[dns]\nnameservers = ["{dns.address}"]\n[milter]\nauthserv_id = "mx.lab.example"\n'
        yield lab.start(Milter64, settings, unix=unix)


def play(milter: Milter64, script: str, **names: str) -> str:
    return miltertest(PLAY + script, socket=milter.socket, **names)


@pytest.mark.parametrize(
    ("wire", "origin"),
    [
        (HONEST, "ipv4"),
        (f"::ffff:{HONEST}", "mapped"),
        (behind(HONEST), "translated"),
    ],
)
def test_a_client_is_decoded_and_its_message_gets_a_header(milter: Milter64, wire: str, origin: str) -> None:
    play(
        milter,
        """
        session = begin(address, "mail.honest.example")
        mail(session, "<a@honest.example>")
        rcpt(session, "<" .. origin .. "@lab.example>", "c")
        content(session)
        added(session)
        mt.disconnect(session)
        """,
        address=wire,
        origin=origin,
    )
    line = milter.wait_log(lambda line: f"<{origin}@lab.example>" in line.get("to", ""))
    assert {key: line[key] for key in ("event", "queue", "wire", "client", "origin", "spf", "iprev")} == {
        "event": "accepted",
        "queue": "QUEUEID",
        "wire": wire,
        "client": HONEST,
        "origin": origin,
        "spf": "pass",
        "iprev": "pass",
    }


def test_a_native_ipv6_client_is_what_it_says(milter: Milter64) -> None:
    play(
        milter,
        """
        session = begin("2001:db8:6::25", "none.example")
        mail(session, "<a@none.example>")
        rcpt(session, "<native@lab.example>", "y")
        mt.disconnect(session)
        """,
    )
    line = milter.wait_log(lambda line: "native@" in line.get("to", ""))
    assert (line["event"], line["client"], line["origin"]) == ("greylisted", "2001:db8:6::25", "ipv6")


def test_each_recipient_has_its_own_answer(milter: Milter64) -> None:
    play(
        milter,
        """
        session = begin(address, "stranger.example")
        mail(session, "<a@honest.example>")
        rcpt(session, "<one@lab.example>", "y")
        rcpt(session, "<postmaster@lab.example>", "c")
        rcpt(session, "<two@lab.example>", "y")
        content(session)
        added(session)
        mt.disconnect(session)
        """,
        address=behind(STRANGER),
    )
    accepted = milter.wait_log(lambda line: "postmaster@" in line.get("to", ""))
    assert (accepted["event"], accepted["to"], accepted["spf"]) == ("accepted", "<postmaster@lab.example>", "fail")
    assert [line["reply"] for line in milter.log if line.get("to") in ("<one@lab.example>", "<two@lab.example>")] == [
        "550 5.7.23",
        "550 5.7.23",
    ]


def test_a_forged_field_is_deleted_and_a_strangers_left(milter: Milter64) -> None:
    play(
        milter,
        """
        session = begin(address, "mail.honest.example")
        mail(session, "<a@honest.example>")
        rcpt(session, "<forged@lab.example>", "c")
        content(session, "other.example; spf=pass", "MX.lab.example (really) 1; spf=pass smtp.mailfrom=bank.example")
        added(session)
        if mt.eom_check(session, MT_HDRDELETE, "Authentication-Results", 1) then error("the stranger's is deleted") end
        if not mt.eom_check(session, MT_HDRDELETE, "Authentication-Results", 2) then error("ours is not") end
        mt.disconnect(session)
        """,
        address=behind(HONEST),
    )


def test_a_client_without_a_name_is_put_off_and_passes_on_its_retry(milter: Milter64) -> None:
    output = play(
        milter,
        """
        tries = 0
        repeat
            tries = tries + 1
            session = begin(address, "none.example")
            mail(session, "<a@none.example>")
            must("RCPT", mt.rcptto(session, "<retry@lab.example>"))
            reply = string.char(mt.getreply(session))
            mt.disconnect(session)
            if tries == 1 and reply ~= "y" then error("the first try is answered with " .. reply) end
            mt.sleep(0.1)
        until reply == "c" or tries == 100
        mt.echo("the last answer: " .. reply)
        """,
        address=behind(NAMELESS),
    )
    assert "the last answer: c" in output
    first = next(line for line in milter.log if "retry@" in line.get("to", ""))
    assert (first["event"], first["reply"]) == ("greylisted", "450 4.7.1")
