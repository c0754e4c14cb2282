"""What rows of the greylist are kept by: the pair of a message, and the groups that its client is proven to be in."""

import re
from functools import cache
from hashlib import sha256

from publicsuffix2 import PublicSuffixList

from milter64.address import Client
from milter64.networks import unpack
from milter64.session import split
from milter64.verdict import Finding, Findings

_PRVS = re.compile(r"prvs=[0-9]{4}[0-9a-f]{6}=", re.IGNORECASE)
"""Bounce address tag validation: a tag that changes daily (draft-levine-smtp-batv)."""
_LONGEST_PAIR = 640
"""Two addresses of the length that RFC 5321 4.5.3.1.3 allows; a longer pair is kept as its digest."""


def pair(sender: str, recipient: str) -> str:
    """Return the key of a sender and a recipient, the parts that change from try to try taken out."""
    local, domain = split(sender)
    local = _PRVS.sub("", local, count=1) if local[:5].lower() == "prvs=" else local
    if "=" in local:  # variable envelope return paths number their messages
        local = re.sub(r"[0-9]+", "#", local)
    to_local, to_domain = split(recipient)
    key = f"<{local}@{domain}> <{to_local}@{to_domain}>" if sender else f"<> <{to_local}@{to_domain}>"
    key = key if key.isascii() else key.encode("ascii", "backslashreplace").decode()
    return key if len(key) <= _LONGEST_PAIR else sha256(key.encode()).hexdigest()


def groups(client: Client, sender: str, known: Findings) -> frozenset[str]:
    """Return the groups beside its network that the findings prove a client to be in."""
    proven = []
    spf = known.get(("spf", "smtp.mailfrom" if sender else "smtp.helo"))
    if spf and spf.result == "pass" and not spf.fact("broad"):
        proven.append(f"spf:{spf.fact('domain')}")
    iprev = known.get(("iprev", "policy.iprev"))
    if iprev and (name := _confirmed_name(iprev)) and not spells(name, client.packed):
        proven.append(f"rdns:{registered_domain(name)}")
    return frozenset(proven)


def _confirmed_name(iprev: Finding) -> str | None:
    return iprev.fact("name") if iprev.result == "pass" else None


def spells(name: str, packed: bytes) -> bool:
    """Whether a host name spells its own address, as providers name the lines of their customers."""
    name = name.lower()
    if len(packed) == 4:  # noqa: PLR2004  an IPv4 address's length
        numbers = [int(digits) for digits in re.findall(r"[0-9]+", name)]
        octets = list(packed)
        padded = "".join(f"{octet:03}" for octet in octets)
        return _contains(numbers, octets) or _contains(numbers, octets[::-1]) or packed.hex() in name or padded in name
    digits = re.sub(r"[^0-9a-f]", "", name)
    interface = packed[8:].hex()
    hextets = "-".join(f"{packed[i] << 8 | packed[i + 1]:x}" for i in range(0, 16, 2))
    return (
        unpack(packed).replace(":", "-") in name
        or hextets in name
        or packed.hex()[::-1] in digits
        or interface in digits
        or packed.hex() in digits
    )


def _contains(numbers: list[int], octets: list[int]) -> bool:
    return any(numbers[start : start + 4] == octets for start in range(len(numbers) - 3))


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registered_domain(name: str) -> str:
    """Return the registered domain of a host name, such as example.co.uk; a TLD that the list lacks is a suffix."""
    labels = name.lower().rstrip(".").split(".")
    suffix = _public_suffixes().get_tld(".".join(labels)) or labels[-1]
    return ".".join(labels[-suffix.count(".") - 2 :])
