"""docs/dnslists.md: the reply, the header and the words that it shows."""

from typing import get_args

from milter64.checks.dns_list_settings import About
from milter64.config.load_file import parse
from milter64.headers.authentication_results import authentication_results
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import reply
from rig.envelopes import envelope
from rig.pages import blocks, page, quoted, table

LISTS = page("dnslists")
CLIENT = "192.31.196.40"


def test_what_can_be_asked_about_is_listed() -> None:
    assert [word for cell, _ in table(LISTS, "`about`") for word in quoted(cell)] == list(get_args(About))


def test_the_reply_is_that_of_the_list_that_is_shown() -> None:
    (first, *_), problems = parse(blocks(LISTS, "toml")[0])[0].dnslist, parse(blocks(LISTS, "toml")[0])[1]
    assert not problems
    check, name = first.key("client")
    text = first.text.replace("{address}", CLIENT)
    finding = Finding(
        check=check,
        property=name,
        result=first.positive,
        reason=f"{first.shown} lists {CLIENT}",
        facts=(("answer", "127.0.0.4"), ("text", text)),
    )
    shown = blocks(LISTS, "text")[0].strip()
    said = reply(Verdict(action=Action.REJECT, because=(finding,)), envelope(CLIENT, "x.example", "a@x.example"))
    assert str(said).replace("(milter64 T)", "(milter64 d26eb094)") == shown


def test_the_header_is_that_of_a_list_that_accepts() -> None:
    finding = Finding(
        check="dnswl",
        property="list.dnswl.org",
        result="pass",
        reason="list.dnswl.org lists 192.31.196.10",
        facts=(("answer", "127.0.10.1"),),
    )
    (field,) = authentication_results("mx.example.org", envelope("192.31.196.10", "x.example", ""), [finding])
    assert blocks(LISTS, "text")[-1].strip() in " ".join(field.split())


def test_a_key_of_the_kind_that_is_shown_is_not_shown_anywhere_else() -> None:
    (found,) = parse(blocks(LISTS, "toml")[-1])[0].dnslist
    assert found.zone
    assert (found.shown, found.zone.public) == ("zen", "zen.dq.spamhaus.net")
