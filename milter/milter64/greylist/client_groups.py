"""The groups that a client is proven to be in, beside its network: rows of the greylist are kept by them."""

import re
from collections.abc import Iterator
from functools import lru_cache

from milter64.address.client import Client
from milter64.dns.public_suffixes import registered_domain
from milter64.mail.finding import Finding, Findings


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
