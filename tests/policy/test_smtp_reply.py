from dataclasses import replace

import pytest

from milter64.address.translator import Translator
from milter64.greylist.attempt import Standing, State
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import NOT_READY, reply, trouble

SESSION = Session(
    token="1a2b3c4d",
    client=Translator().client("192.31.196.10"),
    port=2525,
    helo="mail.example.org",
    mta="mx.lab.example",
)
ENVELOPE = Envelope(session=SESSION, sender="a@example.org", login="")


def spf(result: str, *facts: tuple[str, str]) -> Finding:
    return Finding(
        check="spf",
        property="smtp.mailfrom",
        result=result,
        reason="192.31.196.10 is not permitted by example.org",
        facts=(("domain", "example.org"), *facts),
    )


IPREV = Finding(check="iprev", property="policy.iprev", result="fail", reason="mail.example.org does not lead back")
LISTED = Finding(
    check="dnsbl",
    property="zen",
    result="listed",
    reason="zen lists 192.31.196.10",
    facts=(("answer", "127.0.0.4"), ("aside", "127.0.0.4"), ("text", "see https://zen.example/192.31.196.10")),
)
HELO = Finding(check="helo", property="smtp.helo", result="malformed", reason="no HELO or EHLO was given")


@pytest.mark.parametrize(
    ("action", "because", "expected"),
    [
        pytest.param(
            Action.REJECT,
            (spf("fail"),),
            "550 5.7.23 SPF fail: 192.31.196.10 is not permitted by example.org (milter64 1a2b3c4d)",
            id="RFC 7372 3.2",
        ),
        pytest.param(
            Action.TEMPFAIL,
            (spf("temperror"),),
            "451 4.7.24 SPF temperror: 192.31.196.10 is not permitted by example.org (milter64 1a2b3c4d)",
            id="RFC 7372 3.2 error",
        ),
        pytest.param(
            Action.REJECT,
            (IPREV,),
            "550 5.7.25 Reverse DNS fail: mail.example.org does not lead back (milter64 1a2b3c4d)",
            id="RFC 7372 3.3",
        ),
        pytest.param(
            Action.REJECT,
            (spf("fail"), IPREV),
            "550 5.7.26 SPF fail: 192.31.196.10 is not permitted by example.org;"
            " Reverse DNS fail: mail.example.org does not lead back (milter64 1a2b3c4d)",
            id="RFC 7372 3.4",
        ),
        pytest.param(
            Action.REJECT,
            (LISTED,),
            "550 5.7.1 zen lists 192.31.196.10: see https://zen.example/192.31.196.10 (milter64 1a2b3c4d)",
            id="a DNS list's name, whom it lists, and the text",
        ),
        pytest.param(
            Action.TEMPFAIL,
            (replace(LISTED, facts=()),),
            "451 4.7.1 zen lists 192.31.196.10 (milter64 1a2b3c4d)",
            id="a DNS list without a text",
        ),
        pytest.param(
            Action.REJECT,
            (HELO,),
            "550 5.7.1 HELO malformed: no HELO or EHLO was given (milter64 1a2b3c4d)",
            id="helo has no code of its own",
        ),
        pytest.param(
            Action.REJECT,
            (spf("fail", ("explanation", "go away\r\n250 or \x1b[31m100%")),),
            "550 5.7.23 SPF fail: 192.31.196.10 is not permitted by example.org;"
            " example.org explains: go away 250 or ?[31m100% (milter64 1a2b3c4d)",
            id="the sender's words are introduced as theirs, and harmless",
        ),
    ],
)
def test_a_refusal_says_why_in_words_and_codes(action: Action, because: tuple[Finding, ...], expected: str) -> None:
    assert str(reply(Verdict(action=action, because=because), ENVELOPE)) == expected


@pytest.mark.parametrize(
    ("seconds", "because", "expected"),
    [
        (60, (), "450 4.7.1 Greylisted, please try again in 60 seconds (milter64 1a2b3c4d)"),
        (
            1,
            (spf("softfail"),),
            "450 4.7.1 Greylisted (SPF softfail), please try again in 1 second (milter64 1a2b3c4d)",
        ),
        (
            9,
            (LISTED,),
            "450 4.7.1 Greylisted (zen lists 192.31.196.10), please try again in 9 seconds (milter64 1a2b3c4d)",
        ),
    ],
)
def test_the_greylist_says_how_long_to_wait(seconds: int, because: tuple[Finding, ...], expected: str) -> None:
    standing = Standing(state=State.WAITING, seconds=seconds, rows={})
    assert str(reply(Verdict(action=Action.GREYLIST, because=because, standing=standing), ENVELOPE)) == expected


@pytest.mark.parametrize(
    ("kind", "seconds", "expected"),
    [
        ("recipients", "17", "450 4.7.1 Too many recipients from 192.31.196.0/24, please try again in 17 seconds"),
        (
            "refused_recipients",
            "1",
            "450 4.7.1 Too many refused recipients from 192.31.196.0/24, please try again in 1",
        ),
        ("sessions", "2", "421 4.7.0 Too many sessions from 192.31.196.0/24, please try again in 2 seconds"),
    ],
)
def test_a_limit_says_whose_it_is_and_how_long_to_wait(kind: str, seconds: str, expected: str) -> None:
    facts = (("seconds", seconds), ("network", "192.31.196.0/24"))
    excess = Finding(check="rate", property=kind, result="ipv4/24", facts=facts)
    trouble_too = Finding(check="dmarc", property="smtp.mailfrom", result="temperror")
    text = str(reply(Verdict(action=Action.TEMPFAIL, because=(trouble_too, excess)), ENVELOPE))
    assert text.startswith(expected)
    assert text.endswith("(milter64 1a2b3c4d)")


def test_an_acceptance_has_no_reply_of_ours() -> None:
    assert reply(Verdict(action=Action.ACCEPT, because=(spf("fail"),)), ENVELOPE) is None


def test_our_own_trouble_is_never_a_refusal() -> None:
    assert str(trouble("1a2b3c4d")) == "451 4.3.0 Temporary trouble, please try again (milter64 1a2b3c4d)"
    assert str(NOT_READY).startswith("451 4.7.0 ")
    assert str(reply(Verdict(action=Action.TEMPFAIL, busy=True), ENVELOPE)) == (
        "451 4.3.2 Too busy to look everything up, please try again (milter64 1a2b3c4d)"
    )


def test_a_reply_of_several_talkative_strangers_fits_a_line_of_smtp() -> None:
    chatter = spf("fail", ("explanation", "x" * 5000))
    because = (chatter, chatter, Finding(check="iprev", property="policy.iprev", result="fail", reason="y" * 5000))
    assert len(str(reply(Verdict(action=Action.REJECT, because=because), ENVELOPE))) <= 510
