"""What speaks for a sender who is kept out: tables of cases."""

import pytest

from milter64.report.outcome import Mail
from milter64.report.signs import Sign, found_signs, honest, signs


@pytest.mark.parametrize(
    ("found", "origin", "known"),
    [
        ("spf=fail", "ipv4", Sign.NONE),
        ("spf_helo=pass spf=fail iprev=pass", "translated", Sign.HELO | Sign.NAMED),
        ("spf=pass", "ipv6", Sign.SPF),
        ("spf=pass", "masked", Sign.SPF | Sign.NOBODY),
        ("", "undecoded", Sign.NOBODY),
        ("dnsbl=zen:none,other:listed", "ipv4", Sign.LISTED),
        ("dnsbl=zen:none", "ipv4", Sign.NONE),
        ("dnswl=good:none", "ipv4", Sign.NONE),
        ("dnswl=good:pass", "ipv4", Sign.WHITE),
        ("block=network:listed", "mapped", Sign.BLOCKED),
        ("path=unreadable", "ipv4", Sign.NOBODY),
        ("helo_check=pass xspf=pass", "ipv4", Sign.NONE),
    ],
)
def test_findings_say_something_for_or_against_a_client(found: str, origin: str, known: Sign) -> None:
    assert found_signs(found, origin) == known


@pytest.mark.parametrize(
    ("sender", "sign"),
    [
        ("list-bounces@lists.example", Sign.LIST),
        ("owner-list@lists.example", Sign.LIST),
        ("list-return-12-joe=example.org@lists.example", Sign.LIST),
        ("msg+joe=example.org@esp.example", Sign.LIST),
        ("NEWS@shop.example", Sign.LIST),
        ("SRS0=AbCd=12=honest.example=joe@forwarder.example", Sign.FORWARDER),
        ("srs1=xyz=other.example==abc=12=h.example=joe@forwarder.example", Sign.FORWARDER),
        ("joe+SRS=AbCd=12@forwarder.example", Sign.FORWARDER),
        ("prvs=1234abcdef=joe@honest.example", Sign.NONE),
        ("btv1==0123==joe@honest.example", Sign.NONE),
        ("joe@honest.example", Sign.NONE),
        ("listing@honest.example", Sign.NONE),
        ("0123456789abcdef@honest.example", Sign.NONE),
        ("", Sign.NONE),
    ],
)
def test_a_senders_local_part_looks_like_a_list_or_a_forwarder(sender: str, sign: Sign) -> None:
    mail = Mail("192.0.2.1", "mail.example", sender, "you@here.example")
    assert signs(Sign.NONE, mail) == sign


@pytest.mark.parametrize(
    ("helo", "sender", "recipient", "sign"),
    [
        ("mx1.honest.example", "joe@honest.example", "you@here.example", Sign.SENDERS_HOST),
        ("mx1.honest.example", "joe@mail.honest.example", "you@here.example", Sign.SENDERS_HOST),
        ("printer.here.example", "joe@honest.example", "you@here.example", Sign.OWN_HOST),
        ("printer.here.example", "joe@honest.example", "you@here.example>,<ann@other.example", Sign.OWN_HOST),
        ("mx.other.example", "joe@honest.example", "you@here.example", Sign.NONE),
        ("a.co.uk", "joe@b.co.uk", "you@c.co.uk", Sign.NONE),
        ("192.0.2.1", "joe@192.0.2.1", "you@here.example", Sign.NONE),
        ("[192.0.2.1]", "joe@[192.0.2.1]", "you@here.example", Sign.NONE),
        ("", "joe@honest.example", "you@here.example", Sign.NONE),
        ("mx.here.example", "", "you@here.example", Sign.OWN_HOST),
    ],
)
def test_a_confirmed_client_may_call_itself_by_a_name_of_the_senders_or_ours(
    helo: str, sender: str, recipient: str, sign: Sign
) -> None:
    mail = Mail("192.0.2.1", helo, sender, recipient)
    assert signs(Sign.NAMED, mail) == Sign.NAMED | sign
    assert signs(Sign.SPF, mail) == Sign.SPF  # a name that leads nowhere is anybody's to claim


@pytest.mark.parametrize(
    ("known", "steady", "forwards", "looks_honest"),
    [
        (Sign.NONE, False, False, False),
        (Sign.NONE, True, True, False),
        (Sign.LIST, True, True, False),
        (Sign.NAMED, False, False, False),
        (Sign.NAMED, True, False, True),
        (Sign.NAMED, False, True, True),
        (Sign.SPF, False, False, False),
        (Sign.NAMED | Sign.HELO, False, False, True),
        (Sign.NAMED | Sign.LIST, False, False, True),
        (Sign.HELO | Sign.FORWARDER, False, False, True),
        (Sign.NAMED | Sign.SENDERS_HOST, False, False, True),
        (Sign.NAMED | Sign.OWN_HOST, False, False, True),
        (Sign.WHITE, False, False, True),
        (Sign.WHITE | Sign.LISTED, True, True, False),
        (Sign.NAMED | Sign.HELO | Sign.SPF | Sign.BLOCKED, True, True, False),
        (Sign.NAMED | Sign.HELO | Sign.NOBODY, True, True, False),
    ],
)
def test_who_looks_honest(known: Sign, *, steady: bool, forwards: bool, looks_honest: bool) -> None:
    assert honest(known, steady=steady, forwards=forwards) is looks_honest
