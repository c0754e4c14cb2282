"""What header fields are made of: envelopes, findings, and whatever strangers think of."""

import re

from hypothesis import strategies as st

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session

TRANSLATOR = Translator([Prefix("64:ff9b::/96")], gateways=["2001:db8:9::1"])
ID = "mx.example.org"
EVIL = "x) ; spf=pass (\r\nX-Evil: \x1b\\\"'"


def envelope(
    wire: str | None = "64:ff9b::c01f:c40a", helo: str | None = "mail.example.org", sender: str = "user@example.org"
) -> Envelope:
    session = Session(token="t", client=TRANSLATOR.client(wire), port=25, helo=helo, mta=ID)
    return Envelope(session=session, sender=sender, login="")


def finding(check: str, prop: str, result: str, reason: str = "", **facts: str) -> Finding:
    return Finding(check=check, property=prop, result=result, reason=reason, facts=tuple(facts.items()))


IPREV = finding("iprev", "policy.iprev", "pass", "mail.example.org")
HELO = finding("spf", "smtp.helo", "none", "no record")
MAILFROM = finding("spf", "smtp.mailfrom", "pass", "ip4:192.31.196.0/24", mechanism="ip4:192.31.196.0/24")

STRANGE = st.binary(max_size=300).map(lambda raw: raw.decode(errors="surrogateescape")) | st.text(max_size=300)
NASTY = st.text('ab.;=()\\"@ ,:[]\n')
ADDRESSES = st.sampled_from(["192.0.2.1", "2001:db8::1", "64:ff9b::c01f:c40a", "64:ff9b::7f00:1", None])


def assert_safe(field: str, value: str) -> None:
    lines = f"{field}: {value}".split("\n")
    assert all(re.fullmatch(r" [!-~][ -~]*", line) for line in lines[1:])
    assert all(" " <= character <= "~" for character in lines[0])
    assert all(len(line) <= 998 for line in lines)
    assert all(len(line) <= 78 or " " not in line[1:] for line in lines[1:])
