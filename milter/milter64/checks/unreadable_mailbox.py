"""path: can it be told whose mailbox MAIL and RCPT name (RFC 5321 4.1.2)? Who can't be told can't be judged."""

from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope

NAME = "path"
SENDER = "smtp.mailfrom"
RECIPIENT = "smtp.rcptto"
UNREADABLE = "unreadable"


def sender(envelope: Envelope, _own_names: frozenset[str]) -> Finding | None:
    """Return `unreadable` for a sender who can't be told, None for any other."""
    return None if envelope.readable else _unreadable(SENDER, "sender", envelope.sender)


def recipient(path: str) -> Finding:
    """Return `unreadable`, for a recipient who can't be told; `path` is what the client wrote."""
    return _unreadable(RECIPIENT, "recipient", path)


def _unreadable(property_: str, role: str, path: str) -> Finding:
    reason = f"the {role}'s address can't be told from {clean(path, 80)}"
    return Finding(check=NAME, property=property_, result=UNREADABLE, reason=reason)
