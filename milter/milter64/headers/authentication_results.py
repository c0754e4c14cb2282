"""The field Authentication-Results (RFC 8601)."""

from collections.abc import Iterable
from functools import lru_cache

from milter64.checks.dns_list_settings import ACCEPTING
from milter64.headers.field_syntax import PVALUE, REMEMBERED, TOKEN, caller, comment, fold, word
from milter64.mail.finding import Finding, Key
from milter64.mail.session import Envelope, split

AUTHENTICATION_RESULTS = "Authentication-Results"
_MAILFROM, _HELO, _IPREV = ("spf", "smtp.mailfrom"), ("spf", "smtp.helo"), ("iprev", "policy.iprev")
_FIELDS: tuple[tuple[Key, ...], ...] = ((_HELO,), (_MAILFROM, _IPREV))
"""What stands in each Authentication-Results field, from the top: what has a name in IANA's registry of email
authentication methods, and no more (RFC 8601 4)."""


def authentication_results(authserv_id: str, envelope: Envelope, findings: Iterable[Finding]) -> tuple[str, ...]:
    r"""Return the values of a message's Authentication-Results fields, the uppermost first, folded with "\n ".

    What SPF says about HELO has a field of its own, above: of a field with two results of SPF, some readers take the
    last for the sender's. The last comment tells the client's address, the one on the wire where it is another, and its
    origin. A message of which nothing was judged gets "none". Of the DNS lists those that accept by address stand in
    it (RFC 8904), each by the name that it has here, without a key.
    """
    known = {finding.key: finding for finding in findings}
    told = [[known[key] for key in keys if key in known] for keys in _FIELDS]
    lists = [each for each in known.values() if each.check == ACCEPTING and "/" not in each.property]
    told = [*([each] for each in lists[1:]), *told[:-1], [*told[-1], *lists[:1]]]
    fields = [[_resinfo(each, _properties(each, envelope)) for each in one] for one in told if one] or [["none"]]
    name = word(authserv_id, TOKEN)
    values = ["\n ".join(map(fold, ";\n".join((name, *field)).split("\n"))) for field in fields]
    values[-1] += f"\n {fold(comment(*caller(envelope.session.client)))}"
    return tuple(values)


@lru_cache(REMEMBERED)
def _resinfo(finding: Finding, properties: tuple[tuple[str, str], ...]) -> str:
    """Return a method, its result, and what it was found about (RFC 8601 2.2)."""
    result = f"{finding.check}={finding.result}"
    if finding.reason:
        result += f" {comment(finding.reason)}"
    return " ".join([result, *(f"{name}={word(value, PVALUE)}" for name, value in properties if value)])


def _properties(finding: Finding, envelope: Envelope) -> tuple[tuple[str, str], ...]:
    """Return what a finding is about: of a sender the domain alone, which is all that DMARC aligns (RFC 7489 3.1.2)."""
    match finding.property:
        case "smtp.mailfrom":
            value = split(envelope.identity)[1]
        case "smtp.helo":
            value = envelope.session.helo or ""
        case zone if finding.check == ACCEPTING:  # RFC 8904 2; that nobody has looked for DNSSEC is "na"
            answers = ",".join(text for name, text in finding.facts if name == "answer")
            return ("dns.zone", zone), ("policy.ip", answers), ("dns.sec", "na")
        case _:
            value = envelope.session.client.address
    return ((finding.property, value),)
