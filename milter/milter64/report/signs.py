"""What of one line of the log speaks for a sender who is kept out, or against him: pure.

The log has no content: whether DKIM signs, what a message's author is, and a client's confirmed name it can't tell.
"""

import re
from enum import IntFlag, auto
from functools import lru_cache

from milter64.dns.public_suffixes import registered_domain
from milter64.report.outcome import Mail


class Sign(IntFlag):
    """What is known of a sender; all that is known of one are or-ed together."""

    NONE = 0
    WHITE = auto()
    """A DNS list of honest hosts has it."""
    OWN_HOST = auto()
    """Its name leads back to it, and it calls itself by a name in the recipient's domain."""
    SENDERS_HOST = auto()
    """Its name leads back to it, and it calls itself by a name in the sender's domain."""
    LIST = auto()
    """The sender's local part is one of mailing lists and newsletters."""
    FORWARDER = auto()
    """The sender was rewritten by a forwarder (SRS)."""
    NAMED = auto()
    """A name leads back to it: iprev=pass."""
    HELO = auto()
    """Its HELO name is proven by SPF."""
    SPF = auto()
    """The sender's domain lets it send."""
    LISTED = auto()
    """A DNS list of spammers has it."""
    BLOCKED = auto()
    """The admin has it blocked."""
    NOBODY = auto()
    """Its address isn't its own, or whose mailbox is meant can't be told."""


_ENOUGH = Sign.WHITE | Sign.OWN_HOST | Sign.SENDERS_HOST | Sign.LIST | Sign.FORWARDER
_WEAK = (Sign.NAMED, Sign.HELO, Sign.SPF)
PROVEN = Sign.WHITE | Sign.NAMED | Sign.HELO | Sign.SPF
"""One of these there must be, for anybody can claim the rest."""
_AGAINST = Sign.LISTED | Sign.BLOCKED | Sign.NOBODY
_WORDS = re.compile("[-+._=]")
_OF_LISTS = frozenset(
    {
        "bounce",
        "bounces",
        "owner",
        "return",
        "returns",
        "errors",
        "list",
        "lists",
        "news",
        "newsletter",
        "sympa",
        "verp",
    }
)
_SRS = re.compile(r"srs[01][=+-]|[^=]*\+srs=")
_BY_FINDING = (
    (re.compile(r"(?:^| )dnswl=\S*:pass"), Sign.WHITE),
    (re.compile(r"(?:^| )iprev=pass"), Sign.NAMED),
    (re.compile(r"(?:^| )spf_helo=pass"), Sign.HELO),
    (re.compile(r"(?:^| )spf=pass"), Sign.SPF),
    (re.compile(r"(?:^| )dnsbl=\S*:listed"), Sign.LISTED),
    (re.compile(r"(?:^| )block="), Sign.BLOCKED),
    (re.compile(r"(?:^| )path="), Sign.NOBODY),
)


@lru_cache(maxsize=4096)
def found_signs(found: str, origin: str) -> Sign:
    """Return what the findings of a line say, as it writes them, of a client of that origin."""
    signs = Sign.NONE if origin in {"ipv4", "ipv6", "mapped", "translated"} else Sign.NOBODY
    for pattern, sign in _BY_FINDING:
        if pattern.search(found):
            signs |= sign
    return signs


def signs(known: Sign, mail: Mail) -> Sign:
    """Return all that a line says for a sender, and against him; `known` are its findings'."""
    local, _, domain = mail.sender.rpartition("@")
    if Sign.NAMED in known and (name := _registered(mail.helo)):
        if name == _registered(domain):
            known |= Sign.SENDERS_HOST
        if name == _registered(mail.recipients.partition(">")[0].rpartition("@")[2]):
            known |= Sign.OWN_HOST
    if local:
        known |= _looks(local.lower())
    return known


def _looks(local: str) -> Sign:
    """Return what the local part of a sender looks like."""
    if _SRS.match(local):
        return Sign.FORWARDER
    before, _, behind = local.partition("=")
    returns_to = "." in behind and any(mark in before for mark in "-+.")  # the recipient is in it, as VERP has him
    return Sign.LIST if returns_to or not _OF_LISTS.isdisjoint(_WORDS.split(local)) else Sign.NONE


def honest(known: Sign, *, steady: bool = False, forwards: bool = False) -> bool:
    """Whether somebody of whom all this is known looks honest.

    Something must be proven. Then one strong sign will do, or the look of a list or a forwarder, or two signs that
    alone would be too little. `steady`: it came on many days, or to many recipients. `forwards`: for several domains.
    """
    if known & _AGAINST or not known & PROVEN:
        return False
    return bool(known & _ENOUGH) or sum(sign in known for sign in _WEAK) + steady + forwards > 1


@lru_cache(maxsize=8192)
def _registered(name: str) -> str:
    return registered_domain(name) if "." in name and name[-1].isalpha() else ""
