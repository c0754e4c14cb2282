"""Stories of mails that a real Postfix takes in, each with the reply, the header and the log line that came of it.

These play on one stage, with the default policy; `test_settings.py` has those that take other settings.
"""

from dataclasses import replace

import pytest

from rig.mail import Mail, facts, results
from rig.process import until
from rig.smtp import Smtp, proxy
from rig.stage import Stage
from rig.world import HONEST, HONEST_IPV6, LIAR, NAMELESS, STRANGER, STRANGER_IPV6, behind


@pytest.mark.parametrize(
    ("number", "address", "origin", "iprev"),
    [
        ("01", HONEST, "ipv4", HONEST),
        ("02", HONEST_IPV6, "ipv6", f'"{HONEST_IPV6}"'),
        ("03", behind(HONEST), "translated", HONEST),
    ],
)
def test_01_an_honest_sender_is_recognised_over_ipv4_over_ipv6_and_behind_the_translator(
    stage: Stage, number: str, address: str, origin: str, iprev: str
) -> None:
    mail = Mail(token=f"honest{number}", address=address)
    assert mail.send(stage).code == 250
    field = results(mail.delivered(stage))
    assert field.startswith("mx.lab.example; spf=pass (")
    for result in ("smtp.mailfrom=honest.example;", "smtp.helo=mail.honest.example", f"policy.iprev={iprev} "):
        assert result in field
    line = mail.logged(stage, "accepted")
    assert facts(line, "wire", "origin", "spf", "spf_helo", "iprev") == {
        "wire": address,
        "origin": origin,
        "spf": "pass",
        "spf_helo": "pass",
        "iprev": "pass",
    }
    until(lambda: line["queue"] in stage.postfix.output, "our queue id in Postfix's log")


def test_02_the_wire_address_stands_beside_the_decoded_one(stage: Stage) -> None:
    mail = Mail(token="beside", address=behind(HONEST))
    mail.send(stage)
    assert "(client 192.31.196.10, wire 64:ff9b::c01f:c40a, translated)" in results(mail.delivered(stage))
    assert facts(mail.logged(stage, "accepted"), "client", "wire") == {
        "client": "192.31.196.10",
        "wire": "64:ff9b::c01f:c40a",
    }


def test_03_a_forged_sender_is_refused_behind_the_translator_with_a_reason(stage: Stage) -> None:
    mail = Mail(token="forged", address=behind(STRANGER), helo="stranger.example")
    reply = mail.send(stage)
    line = mail.logged(stage, "rejected")
    assert reply.code == 550
    assert reply.text == (
        f"5.7.23 SPF fail: {STRANGER} is not permitted by honest.example (-all); honest.example explains: "
        f"{STRANGER} is none of ours, 100% sure (milter64 {line['session']})"
    )
    assert facts(line, "client", "spf", "reply") == {"client": STRANGER, "spf": "fail", "reply": "550 5.7.23"}
    until(lambda: line["session"] in stage.postfix.output, "our token in Postfix's log")


def test_04_a_forged_sender_is_refused_over_native_ipv6(stage: Stage) -> None:
    mail = Mail(token="forged6", address=STRANGER_IPV6, helo="stranger.example")
    assert mail.send(stage).text.startswith(f"5.7.23 SPF fail: {STRANGER_IPV6} is not permitted by honest.example")
    assert facts(mail.logged(stage, "rejected"), "client", "origin") == {"client": STRANGER_IPV6, "origin": "ipv6"}


def test_05_a_forged_helo_is_refused_whatever_the_sender(stage: Stage) -> None:
    mail = Mail(token="forgedhelo", address=STRANGER, sender="a@none.example")
    assert mail.send(stage).text.startswith("5.7.23 SPF fail: 192.31.196.40 is not permitted by mail.honest.example")
    assert facts(mail.logged(stage, "rejected"), "spf_helo") == {"spf_helo": "fail"}


@pytest.mark.parametrize(
    ("number", "address", "origin"),
    [
        ("06a", "64:ff9b::7f00:1", "invalid"),
        ("06b", "64:ff9b::c0a8:164", "invalid"),
        ("06c", "172.17.0.1", "ipv4"),
        ("06d", "fd00::1", "ipv6"),
        ("06e", "64:ff9b:1::c01f:c40a", "undecoded"),
    ],
)
def test_06_an_address_that_says_nothing_about_the_client_is_neither_held_against_it_nor_trusted(
    stage: Stage, number: str, address: str, origin: str
) -> None:
    forged = "Authentication-Results: mx.lab.example; spf=pass smtp.mailfrom=honest.example\nSubject: x\n\nHi.\n"
    mail = Mail(token=f"says{number}", address=address, message=forged)
    assert mail.send(stage).code == 250
    message = mail.delivered(stage)
    assert results(message).startswith("mx.lab.example; none (")
    assert message.get_all("Authentication-Results", [])[2:] == []
    line = mail.logged(stage, "accepted")
    assert facts(line, "origin", "spf", "iprev", "because") == {
        "origin": origin,
        "spf": None,
        "iprev": None,
        "because": None,
    }


def test_07_a_softfail_is_greylisted_and_then_accepted(stage: Stage) -> None:
    mail = Mail(token="soft", address=behind(STRANGER), sender="a@soft.example", helo="stranger.example")
    assert mail.send(stage).text.startswith("4.7.1 Greylisted (SPF softfail), please try again in 1 second (milter64 ")
    assert replace(mail, token="soft2").retried(stage).code == 250
    line = mail.logged(stage, "greylisted")
    assert facts(line, "spf", "greylist", "group", "wait") == {
        "spf": "softfail",
        "greylist": "new",
        "group": "net:192.31.196.0/24",
        "wait": 1,
    }


@pytest.mark.parametrize(
    ("token", "address", "because"),
    [
        ("noptr", NAMELESS, "iprev permerror: no PTR record for 192.31.196.20"),
        ("liar", LIAR, "iprev fail: elsewhere.example does not lead back to 192.31.196.30"),
    ],
)
def test_08_a_client_without_a_confirmed_name_is_greylisted_and_then_accepted(
    stage: Stage, token: str, address: str, because: str
) -> None:
    mail = Mail(token=token, address=behind(address), sender="a@none.example", helo="none.example")
    assert mail.retried(stage).code == 250
    assert mail.logged(stage, "greylisted")["because"] == because
    assert facts(mail.logged(stage, "accepted"), "greylist", "spf") == {"greylist": "passed", "spf": "none"}
    assert "spf=none" in results(mail.delivered(stage))


@pytest.mark.parametrize(("sender", "spf"), [("a@broken.example", "permerror"), ("a@lost.example", "temperror")])
def test_09_an_unreadable_record_is_a_reason_to_wait_and_none_to_refuse(stage: Stage, sender: str, spf: str) -> None:
    mail = Mail(token=spf, address=behind(STRANGER), sender=sender, helo="stranger.example")
    assert mail.retried(stage).code == 250
    assert mail.logged(stage, "greylisted")["spf"] == spf


def test_18_a_neighbour_in_the_same_64_does_not_inherit_a_pass(stage: Stage) -> None:
    assert Mail(token="neighbour1", address=HONEST_IPV6).send(stage).code == 250
    mail = Mail(token="neighbour2", address=HONEST_IPV6.replace("25", "26"))
    assert mail.send(stage).text.startswith("5.7.23 SPF fail: 2001:db8:6::26 is not permitted by")
    assert mail.logged(stage, "rejected")["spf"] == "fail"


def test_19_two_ipv4_clients_behind_one_prefix_are_two_to_the_greylist(stage: Stage) -> None:
    mail = Mail(token="two", address=behind(NAMELESS), sender="a@none.example", helo="none.example")
    assert mail.retried(stage).code == 250
    other = replace(mail, address=behind("192.31.197.20"))
    assert other.send(stage).code == 450

    def groups() -> set[str]:
        return {line["group"] for line in stage.milter.log if mail.recipient in line.get("to", "") and "group" in line}

    until(lambda: groups() == {"net:192.31.196.0/24", "net:192.31.197.0/24"}, "the lines about both")


def test_20_a_proxy_in_front_shows_the_client_too(stage: Stage) -> None:
    with Smtp("::1", stage.postfix.proxy_port, preamble=proxy(behind(HONEST), source_port=4711)) as client:
        client.ehlo("mail.honest.example")
        assert client.transaction("a@honest.example", ["proxy@lab.example"]).code == 250
    line = stage.milter.wait_log(lambda line: "<proxy@" in line.get("to", ""))
    assert facts(line, "client", "port", "spf") == {"client": HONEST, "port": 4711, "spf": "pass"}


def test_21_a_client_with_an_eight_bit_helo_is_judged_as_one_without(stage: Stage) -> None:
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(HONEST))
        client.ehlo(b"m\xe9chant\x1b[31m.example")
        assert client.transaction("a@honest.example", ["eight@lab.example"]).code == 250
    line = stage.milter.wait_log(lambda line: line["event"] == "accepted" and "eight@" in line["to"])
    assert facts(line, "client", "helo", "spf", "spf_helo") == {
        "client": HONEST,
        "helo": "",
        "spf": "pass",
        "spf_helo": "none",
    }


def test_23_forged_fields_go_and_no_others(stage: Stage) -> None:
    forged = [
        "mx.lab.example; spf=pass smtp.mailfrom=forged",
        "MX.lab.EXAMPLE; spf=pass smtp.mailfrom=forged",
        '"mx.lab.example"; spf=pass smtp.mailfrom=forged',
        "(forged) mx.lab.example (very) 1; spf=pass smtp.mailfrom=forged",
        "\n mx.lab.example\n ; spf=pass smtp.mailfrom=forged",
        "other.example 2; spf=pass smtp.mailfrom=forged",
        "i=1; mx.lab.example; spf=pass smtp.mailfrom=forged",
        "other.example; dkim=pass header.d=forged; mx.lab.example; spf=pass smtp.mailfrom=forged",
    ]
    received = ["mx.lab.example; identity=mailfrom", "other.example; identity=mailfrom", "nobody"]
    kept = ["other.example; spf=pass smtp.mailfrom=kept", "mx.lab.example.org; spf=pass smtp.mailfrom=kept"]
    fields = [forged[0], kept[0], *forged[1:], kept[1]]
    lines = [f"{'Authentication-Results' if n % 2 else 'AUTHENTICATION-results'}: {f}\n" for n, f in enumerate(fields)]
    lines[1:1] = [f"Received-SPF: pass (forged) receiver={name}\n" for name in received[:2]]
    lines.append(f"RECEIVED-spf: pass (forged) receiver={received[2]}\n")
    mail = Mail(token="fields", address=behind(HONEST), message=f"{''.join(lines)}Subject: x\n\nHi.\n")
    assert mail.send(stage).code == 250
    message = mail.delivered(stage)
    assert message.get_all("Authentication-Results", [])[2:] == kept
    assert message["Received-SPF"] is None
    assert "spf=pass (ip4:192.31.196.10 of honest.example)" in results(message)
