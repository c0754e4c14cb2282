"""Stories, on the same stage, of what happens within a session: null senders, several recipients, transactions."""

from rig.mail import Mail, facts, results
from rig.process import until
from rig.smtp import Smtp
from rig.stage import Stage
from rig.world import HONEST, NAMELESS, STRANGER, behind


def test_10_the_null_sender_hears_of_the_greylist_at_end_of_message_only(stage: Stage) -> None:
    recipients = [f"{name}.null@lab.example" for name in ("one", "two", "three")]

    def send() -> list[int]:
        with Smtp("127.0.0.1", stage.postfix.port) as client:
            client.xclient(addr=behind(NAMELESS))
            client.ehlo("none.example")
            return [reply.code for reply in (client.mail(""), *map(client.rcpt, recipients), client.data())]

    assert send() == [250, 250, 450, 450, 450]
    until(lambda: send() == [250] * 5, "the message of the null sender to pass")
    lines = [line for line in stage.milter.log if line["event"] == "greylisted" and ".null" in line["to"]]
    assert {(line["from"], line["to"]) for line in lines} == {("<>", f"<{recipient}>") for recipient in recipients}
    all_three = ",".join(f"<{recipient}>" for recipient in recipients)  # once; the first may have passed alone before
    stage.milter.wait_log(lambda line: line["event"] == "accepted" and line["to"] == all_three)


def test_10b_nobody_is_forged_mail_from_the_null_sender_because_abuse_is_named_beside_him(stage: Stage) -> None:
    replies = []
    for recipients in (["abuse", "victim"], ["victim", "abuse"]):
        with Smtp("127.0.0.1", stage.postfix.port) as client:
            client.xclient(addr=behind(STRANGER))
            client.ehlo("mail.honest.example")
            client.mail("")
            replies += [client.rcpt(f"{name}@lab.example") for name in recipients]
            replies.append(client.data())
    assert [f"{reply.code} {reply.text}"[:10] for reply in replies] == [
        *("250 2.1.5 ", "550 5.7.23", "250 2.0.0 "),
        *("250 2.1.5 ", "452 4.5.3 ", "550 5.7.23"),
    ]


def test_11_a_callout_with_the_null_sender_is_not_hurt_and_leaves_no_row(stage: Stage) -> None:
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind("192.31.196.41"))
        client.ehlo("mail.honest.example")
        assert client.mail("").code == 250
        assert client.rcpt("callout@lab.example").code == 250
    line = stage.milter.wait_log(lambda line: line["event"] == "abandoned" and "callout" in line["to"])
    assert facts(line, "greylist", "spf_helo") == {"greylist": None, "spf_helo": None}


def test_12_the_null_sender_is_judged_by_its_helo(stage: Stage) -> None:
    mail = Mail(token="nullhelo", address=behind(STRANGER), sender="")
    reply = mail.send(stage)
    line = mail.logged(stage, "rejected")
    assert (reply.code, reply.text) == (
        550,
        f"5.7.23 SPF fail: {STRANGER} is not permitted by mail.honest.example (-all) (milter64 {line['session']})",
    )
    assert facts(line, "from", "spf_helo") == {"from": "<>", "spf_helo": "fail"}


def test_13_an_authenticated_client_sends_for_whom_it_likes_but_not_in_our_name(stage: Stage) -> None:
    received = "Received-SPF: pass receiver=mx.lab.example\n"
    forged = f"Authentication-Results: mx.lab.example; auth=pass\n{received}Subject: x\n\nHi.\n"
    mail = Mail(token="login", address=behind(STRANGER), login="joe", message=forged)
    assert mail.send(stage).code == 250
    assert not {"Authentication-Results", "Received-SPF"} & set(mail.delivered(stage).keys())
    assert facts(mail.logged(stage, "accepted"), "because", "spf") == {
        "because": "exempt authenticated: it has authenticated",
        "spf": None,
    }


def test_14_one_recipient_may_be_accepted_and_the_next_refused(stage: Stage) -> None:
    forged = "Authentication-Results: MX.LAB.EXAMPLE 1; spf=pass smtp.mailfrom=x\nSubject: x\n\nHi.\n"
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(STRANGER))
        client.ehlo("stranger.example")
        client.mail("two@honest.example")
        assert client.rcpt("postmaster@lab.example").code == 250
        assert client.rcpt("fate@lab.example").code == 550
        assert client.data(forged).code == 250
    accepted = stage.milter.wait_log(lambda line: line["event"] == "accepted" and "<two@" in line["from"])
    refused = stage.milter.wait_log(lambda line: line["event"] == "rejected" and "<two@" in line["from"])
    assert (accepted["to"], refused["to"]) == ("<postmaster@lab.example>", "<fate@lab.example>")
    assert accepted["because"] == "exempt postmaster: postmaster and abuse can always be reached"
    message = Mail(token="postmaster", address="").delivered(stage)
    assert message["Return-Path"] == "<two@honest.example>"
    assert message.get_all("Authentication-Results", [])[2:] == []
    assert "spf=fail" in results(message)


def test_15_each_transaction_of_a_session_is_judged_on_its_own_facts(stage: Stage) -> None:
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(STRANGER))
        client.ehlo("stranger.example")
        assert client.transaction("a@honest.example", ["own1@lab.example"]).code == 550
        client.rset()
        assert client.transaction("a@stranger.example", ["own2@lab.example"]).code == 250
        assert client.transaction("a@honest.example", ["own3@lab.example"]).code == 550
        client.rset()
        assert client.transaction("a@none.example", ["own4@lab.example"]).code == 250
    stage.milter.wait_log(lambda line: "<own4" in line.get("to", ""))
    lines = [line for line in stage.milter.log if "<own" in line.get("to", "")]
    assert [(line["event"], line["spf"]) for line in lines] == [
        ("rejected", "fail"),
        ("accepted", "none"),
        ("rejected", "fail"),
        ("accepted", "none"),
    ]
    assert len({line["session"] for line in lines}) == 1


def test_16_a_refusal_does_not_leak_into_the_next_reply(stage: Stage) -> None:
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(STRANGER))
        client.ehlo("stranger.example")
        client.mail("a@honest.example")
        assert client.rcpt("leak@lab.example").text.startswith("5.7.23")
        client.rset()
        client.mail("a@soft.example")
        assert client.rcpt("leak@lab.example").text.startswith("4.7.1 Greylisted")
        assert client.rcpt("abuse@lab.example").text == "2.1.5 Ok"


def test_17_a_second_helo_takes_the_place_of_the_first(stage: Stage) -> None:
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(STRANGER))
        client.ehlo("mail.honest.example")
        client.mail("a@none.example")
        assert client.rcpt("helo1@lab.example").code == 550
        client.ehlo("stranger.example")
        client.mail("a@none.example")
        assert client.rcpt("helo1@lab.example").code == 250
    line = stage.milter.wait_log(lambda line: line["event"] == "abandoned" and "helo1" in line["to"])
    assert facts(line, "helo", "spf_helo") == {"helo": "stranger.example", "spf_helo": "none"}


def test_22_a_mail_that_is_given_up_is_logged_as_abandoned(stage: Stage) -> None:
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(HONEST))
        client.ehlo("mail.honest.example")
        client.mail("a@honest.example")
        assert client.rcpt("gone@lab.example").code == 250
    line = stage.milter.wait_log(lambda line: line["event"] == "abandoned" and "<gone@" in line["to"])
    assert facts(line, "spf", "client") == {"spf": "pass", "client": HONEST}
