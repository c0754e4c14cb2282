"""The pair of a message, sender and recipient, without what changes from day to day or from try to try."""

import re
from hashlib import sha256

from milter64.mail.session import split

_TAGGED = re.compile(
    r"prvs=(?:[0-9][0-9a-f]{8,15}=(?P<tag_first>.+)|(?P<tag_last>.+)=[0-9]{4}[0-9a-f]{6})"
    r"|btv1==[^=]+==(?P<barracuda>.+)"
    r"|msprvs1=[^=]+=(?P<sparkpost>.+)",
    re.IGNORECASE | re.DOTALL,
)
"""Bounce address tag validation: prvs=KDDDSSSSSS=local (draft-levine-smtp-batv-01 3), of other lengths and in the other
order too, btv1==TAG==local by Barracuda's appliances and msprvs1=TAG=local by SparkPost (all as rspamd reads them)."""


_FORWARDED = re.compile(
    r"(?:SRS1[=+-][^=]+=(?P<forwarder>[^=]+)=[=+-]|SRS0[=+-])[^=]+=[^=]{2}=(?P<domain>[^=]+)=(?P<local>.+)",
    re.IGNORECASE | re.DOTALL,
)
"""The sender rewriting scheme, as Mail::SRS has it: SRS0=HHH=TT=domain=local, where HHH is a hash and TT the day, and
SRS1=HHH=forwarder==HHH=TT=domain=local for what another forwarder has rewritten before."""


_EXCHANGE = re.compile(r"(?<=\+SRS)=[^=]+=[^=]{2}(?==|\Z)", re.IGNORECASE)
"""Exchange Online's: bounces+SRS=HHHHH=TT."""


_DEEPEST = 4
"""Tags within tags that are taken out: a forwarder may forward what another has tagged."""


_LONGEST_PAIR = 640
"""Two addresses of the length that RFC 5321 4.5.3.1.3 allows; a longer pair is kept as its digest."""


def pair_key(sender: str, recipient: str) -> str:
    """Return the key of a sender and a recipient, the parts that change from day to day or try to try taken out."""
    local, domain = split(sender)
    if "=" in local:
        hosts, local = _untagged(local)
        if "=" in local:  # variable envelope return paths number their messages
            local = re.sub(r"[0-9]+", "#", local)
        local = hosts + local
    to_local, to_domain = split(recipient)
    if "=" in to_local:
        to_local = "".join(_untagged(to_local))
    key = f"<{local}@{domain}> <{to_local}@{to_domain}>" if sender else f"<> <{to_local}@{to_domain}>"
    key = key if key.isascii() else key.encode("ascii", "backslashreplace").decode()
    return key if len(key) <= _LONGEST_PAIR else sha256(key.encode()).hexdigest()


def sender_of(key: str) -> str:
    """Return the sender in a pair's key, in its brackets; "" where the key is a digest, or no pair's."""
    return key.rpartition(" <")[0] if key.startswith("<") else ""


def recipient_of(key: str) -> str:
    """Return the recipient in a pair's key, in its brackets; "" where the key is a digest, or no pair's."""
    return f"<{key.rpartition(' <')[2]}" if key.startswith("<") else ""


def without_bounce_tag(local: str) -> str:
    """Return the local part that was tagged so that bounces can be told from forgeries."""
    tagged = _TAGGED.fullmatch(local) if "=" in local else None
    return tagged[str(tagged.lastgroup)] if tagged else local


def _untagged(local: str) -> tuple[str, str]:
    """Return the hosts through which a message was forwarded, and the local part that was tagged for it."""
    hosts = ""
    for _ in range(_DEEPEST):
        if srs := _FORWARDED.fullmatch(local):
            hosts += f"SRS0={srs['forwarder'] or ''}={srs['domain']}=".lower()
            local = srs["local"]
        elif tagged := _TAGGED.fullmatch(local):
            local = tagged[str(tagged.lastgroup)]
        else:
            break
    return hosts, _EXCHANGE.sub("", local)
