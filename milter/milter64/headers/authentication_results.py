"""The field Authentication-Results (RFC 8601)."""

from collections.abc import Iterable
from functools import lru_cache

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
    origin. A message of which nothing was judged gets "none".
    """
    known = {finding.key: finding for finding in findings}
    told = [[known[key] for key in keys if key in known] for keys in _FIELDS]
    fields = [[_resinfo(each, _property(each, envelope)) for each in one] for one in told if one] or [["none"]]
    name = word(authserv_id, TOKEN)
    values = ["\n ".join(map(fold, ";\n".join((name, *field)).split("\n"))) for field in fields]
    values[-1] += f"\n {fold(comment(*caller(envelope.session.client)))}"
    return tuple(values)


@lru_cache(REMEMBERED)
def _resinfo(finding: Finding, value: str) -> str:
    """Return a method, its result, and what it was found about (RFC 8601 2.2)."""
    result = f"{finding.check}={finding.result}"
    if finding.reason:
        result += f" {comment(finding.reason)}"
    if value:
        result += f" {finding.property}={word(value, PVALUE)}"
    return result


def _property(finding: Finding, envelope: Envelope) -> str:
    """Return what a finding is about: of a sender the domain alone, which is all that DMARC aligns (RFC 7489 3.1.2)."""
    match finding.property:
        case "smtp.mailfrom":
            return split(envelope.identity)[1]
        case "smtp.helo":
            return envelope.session.helo or ""
        case _:
            return envelope.session.client.address
