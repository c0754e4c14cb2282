"""Whose mailbox the argument of MAIL or RCPT names: the one that the mail server delivers or bounces to.

The client's words are read twice, by the mail server and by us, and where the two read differently, a stranger can have
one sender judged and another delivered. So our own reading counts only where the words are strictly RFC 5321's (4.1.2;
beyond ASCII RFC 6531's, 3.3) and where the mail server's own, the macro {mail_addr} or {rcpt_addr}, agrees but for
case. Else the macro counts. It can't do so always: Postfix has folded its case by Unicode's rules, by which
straße.example becomes strasse.example, another domain, and delivers what was not folded.
"""

import re
from functools import lru_cache

from milter64.mail.idna_domain import ascii_domain

_UTF8 = r"(?![\s\S]*[\ud800-\udfff])"
"""What is not UTF-8 is decoded to surrogates, which RFC 6531 doesn't add to ASCII, as it does all the rest: so each of
the following has what may not be in it. To compile what may takes half as long as all else at a start."""
_ATOM = r'[^\x00- "(),.:;<>@\[\\\]\x7f]+'
_DOT_STRING = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED_STRING = r'"(?:[^\x00-\x1f"\\\x7f]|\\[ -~])*"'
_NAME = r"[^\x00-,/:-@\[-^`{-\x7f]+"
_MAILBOX = rf"(?:{_DOT_STRING}|{_QUOTED_STRING})@(?:{_NAME}|\[[!-Z^-~]+])"
_PATH = re.compile(
    rf"{_UTF8}(?:<(?:(?:@{_NAME}(?:,@{_NAME})*:)?(?P<path>{_MAILBOX})|(?P<bare>(?ai:postmaster)))>"
    rf"|(?P<mailbox>{_MAILBOX}))"
)
"""A path, whose source route means nothing (RFC 5321 4.1.1.3); some clients leave the brackets out."""
_PLAIN = re.compile(
    rb"<[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+(?:\.[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]+)*@[0-9a-z_-]+(?:\.[0-9a-z_-]+)*>"
)
"""What nearly everybody writes: as it stands, it is what all of the following would make of it."""
_UNQUOTABLE = re.compile(_UTF8 + _DOT_STRING)
_QUOTED = re.compile(_UTF8 + _QUOTED_STRING)
_DOMAIN = re.compile(r"[0-9a-z_-]+(?:\.[0-9a-z_-]+)*|\[[!-Z^-~]+]")
_QUOTES = re.compile(r'"(?:[^"\\]|\\.)*"?')
_STATUS = re.compile(r"[45](?:\.[0-9]{1,3}){2}")
_ESCAPED = re.compile(r"\\(.)")
ERROR = "error"
"""The mailer of recipients who are refused."""
_LONGEST_KEPT = 320
"""Octets: of a local part, an at sign and a domain (RFC 5321 4.5.3.1)."""

_Mailbox = tuple[str, str]
"""Local part, without quotes, and domain; both as they were written."""


def read(argument: bytes, macro: str | None) -> str | None:
    """Return the mailbox in an argument such as b"<user@example.org>"; None if it can't be told for sure.

    `macro` is the mail server's reading, None if it gives none. In the result the local part has no quotes but those
    that it needs (RFC 5321 4.1.2), and the domain is in lower case and of A-labels; it is missing where the mail server
    means a mailbox of its own. The null sender is "".
    """
    return (_kept if len(argument) <= _LONGEST_KEPT else _read)(argument, macro)


def read_sender(argument: bytes, macro: str | None) -> str | None:
    """Return what `read` does, but None for a mailbox without a domain, to which Sendmail would add its own."""
    mailbox = read(argument, macro)
    return None if mailbox and ("@" not in mailbox or mailbox.endswith('"')) else mailbox


def refusal(mailer: str, host: str) -> str:
    """Return the status of a recipient that the mail server refuses and tells us of all the same, "" for another.

    Its macros then name the mailer "error", and for a host the status, such as 5.1.1 (RFC 3463); {rcpt_addr} is the
    reason. Sendmail 8.18 leaves the host empty. Mailboxes whose mail is to bounce later have such a mailer too, but
    another host.
    """
    if mailer != ERROR:
        return ""
    return (host if _STATUS.fullmatch(host) else "") if host else "5.0.0"


def _read(argument: bytes, macro: str | None) -> str | None:
    if _PLAIN.fullmatch(argument) and macro == (plain := argument[1:-1].decode()):
        return plain
    ours = _strictly(argument.decode(errors="surrogateescape"))
    if macro is None:
        return ours and _text(*ours)
    if not macro:
        return ""
    theirs = _parts(macro)
    if ours and (written := _text(*ours)) and (_folded(ours) == _folded(theirs) or not theirs[1]):
        return written
    if not argument.isascii():
        return None  # what is delivered can't be told from what was folded
    local, domain = _unfolded(theirs[0], argument.decode()), theirs[1]
    return None if local is None or (domain and _is_doubtful(domain, argument.decode())) else _text(local, domain)


_kept = lru_cache(maxsize=1024)(_read)  # mail comes from and to the same ones


def _strictly(path: str) -> _Mailbox | None:
    """Read a path by the RFC's grammar."""
    if path == "<>":
        return "", ""
    match = _PATH.fullmatch(path)
    return _parts(match["path"] or match["bare"] or match["mailbox"]) if match else None


def _parts(address: str) -> _Mailbox:
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = domain, ""
    if _QUOTED.fullmatch(local):
        local = _ESCAPED.sub(r"\1", local[1:-1])
    return local, domain


def _unfolded(local: str, argument: str) -> str | None:
    """Return a macro's local part in the case in which the client wrote it; None where that can't be told."""
    if local != local.lower() or argument == argument.lower():
        return local
    words = _ESCAPED.sub(r"\1", argument.rpartition("@")[0] or argument)
    folded, length = words.lower(), len(local)
    starts = (start for start in range(len(words) - length + 1) if folded.startswith(local, start))
    found = {words[start : start + length] for start in starts}
    return found.pop() if len(found) == 1 else None


def _is_doubtful(domain: str, argument: str) -> bool:
    """Whether an argument may end in another domain than the macro's, or in none.

    An empty one goes unmentioned in Postfix's macro, and so do the quotes in Sendmail's of "user@example.org" in
    quotes, which is delivered as a local part.
    """
    bare = _QUOTES.sub('""', argument).lower()
    found, behind = bare.rpartition(domain.lower())[1:]
    return "@" in behind if found else not re.search(r"\w", bare.rpartition("@")[2])


def _folded(mailbox: _Mailbox) -> str:
    local, domain = mailbox
    return f"{local}@{domain.removesuffix('.')}".casefold()


def _text(local: str, domain: str) -> str | None:
    """Write a mailbox; None where the domain is none."""
    if not _UNQUOTABLE.fullmatch(local) and (local or domain):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    if not domain:
        return local
    domain = ascii_domain(domain)
    return f"{local}@{domain}" if _DOMAIN.fullmatch(domain) else None
