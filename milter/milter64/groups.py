"""What rows of the greylist are kept by: the pair of a message, and the groups that its client is proven to be in."""

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256

from milter64.address import Client
from milter64.session import split
from milter64.suffixes import registered_domain
from milter64.verdict import Finding, Findings

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


def pair(sender: str, recipient: str) -> str:
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


def groups(client: Client, sender: str, known: Findings) -> frozenset[str]:
    """Return the groups beside its network that the findings prove a client to be in."""
    proven = []
    spf = known.get(("spf", "smtp.mailfrom" if sender else "smtp.helo"))
    if spf and spf.result == "pass" and not spf.fact("broad"):
        proven.append(f"spf:{spf.fact('domain')}")
    iprev = known.get(("iprev", "policy.iprev"))
    if iprev and (name := _confirmed_name(iprev)) and not is_numbered(name, client.packed):
        proven.append(f"rdns:{registered_domain(name)}")
    return frozenset(proven)


def _confirmed_name(iprev: Finding) -> str | None:
    return iprev.fact("name") if iprev.result == "pass" else None


_MANY_DIGITS = re.compile("[0-9][a-z]*[0-9][a-z]*[0-9]")
"""More digits in a word than it takes to tell the mail servers of a pool: mx1, out-17."""


@lru_cache(maxsize=1024)  # clients come back
def is_numbered(name: str, packed: bytes) -> bool:
    """Whether a host name looks like one of those by which a provider numbers its customers' hosts.

    The neighbours' names differ from it in a number alone, so its registered domain says nothing about whose it is.
    Below that domain such a name has two parts of the address, in any order and notation; or the last part, if that has
    two digits, as each neighbour has his; or more digits in one word than it takes to number mail servers. A mail
    server that only looks so loses nothing but this group: its network and its SPF domain are groups all the same.
    """
    name = name.lower().rstrip(".")
    host = name.removesuffix(registered_domain(name))
    if _MANY_DIGITS.search(host):
        return True
    words = re.findall("[0-9a-z]+", host)
    inside = [number for word in words if not word.isdigit() for number in re.findall("[0-9]+", word)]
    said = [word.lstrip("0") for word in words + inside]
    size = 1 if len(packed) == 4 else 2  # noqa: PLR2004  octets of a part as people write it, IPv4's or IPv6's
    parts = [int.from_bytes(packed[place : place + size]) for place in range(0, len(packed), size)]
    for spelled in (list(map(str, parts)), [f"{part:x}" for part in parts]):
        if spelled[-1] in said and len(spelled[-1]) > 1:
            return True
        if sum(min(said.count(part), spelled.count(part)) for part in set(said) if part) > 1:
            return True
    undivided = "".join(words)
    return any(digits in undivided for digits in _neighbouring_parts(packed, size))


def _neighbouring_parts(packed: bytes, size: int) -> Iterator[str]:
    """Yield the digits of each two parts of an address in a row, as they stand and backwards, by octet and by digit."""
    for place in range(0, len(packed) - size, size):
        two = packed[place : place + 2 * size]
        if any(two):
            yield from (two.hex(), two[::-1].hex(), two.hex()[::-1])
