"""The field Received-SPF (RFC 7208 9.1)."""

from collections.abc import Mapping

from milter64.headers.field_syntax import DOT_ATOM, caller, comment, fold, word
from milter64.mail.finding import Finding, Key
from milter64.mail.session import Envelope

RECEIVED_SPF = "Received-SPF"
_IDENTITIES: tuple[Key, ...] = (("spf", "smtp.helo"), ("spf", "smtp.mailfrom"))


def received_spf(envelope: Envelope, findings: Mapping[Key, Finding], receiver: str) -> tuple[str, ...]:
    r"""Return the values of a message's Received-SPF fields, the uppermost first, folded with "\n ".

    `receiver` is the host name of the mail server.
    """
    return tuple(_received_spf(envelope, findings[key], receiver) for key in _IDENTITIES if key in findings)


def _received_spf(envelope: Envelope, finding: Finding, receiver: str) -> str:
    session = envelope.session
    pairs = {
        "client-ip": session.client.address,
        "envelope-from": envelope.sender or "<>",
        "helo": session.helo,
        "receiver": receiver,
        "identity": finding.property.removeprefix("smtp."),
        "mechanism": finding.fact("mechanism") or "default",
        "problem": finding.reason if finding.result in ("temperror", "permerror") else "",
    }
    told = comment(f"{receiver}: {finding.reason or finding.result}", *caller(session.client))
    listed = "; ".join(f"{key}={word(value, DOT_ATOM)}" for key, value in pairs.items() if value)
    return "\n ".join((finding.result, fold(told), fold(listed)))
