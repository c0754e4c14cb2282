"""The keys of entries that name somebody: his networks, his name and those above it, his address and its domains."""

from collections.abc import Iterator, Mapping, Sequence

from milter64.address.client import Client, Origin
from milter64.address.networks import NON_GLOBAL_IPV4, PRIVATE, Networks
from milter64.greylist.pair import without_bounce_tag
from milter64.mail.finding import Finding
from milter64.mail.session import split

Keys = Iterator[tuple[str, bytes]]
"""Each with the kind of the entries that have it, from the narrowest to the widest."""
Masks = Mapping[int, Sequence[tuple[int, int]]]
"""By the octets of an address, the prefix lengths of networks, each with the mask that makes such a network's first."""

_DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
_ON_THE_WIRE_ALONE = Networks({*PRIVATE, *NON_GLOBAL_IPV4}.difference(_DOCUMENTATION))
"""Addresses that say who somebody is on the wire alone: behind a translator, others have them too, or claim to."""


def network_key(first: bytes, length: int) -> bytes:
    """Return the key of a network, by its first address."""
    return b"\0%c%b" % (length, first)


def on_the_wire_alone(key: bytes) -> bool:
    """Whether a key is that of a network of IPv4 addresses that count on the wire alone."""
    first = key[2:]
    return key.startswith(b"\0") and len(first) == 4 and first in _ON_THE_WIRE_ALONE  # noqa: PLR2004  an IPv4 address


def of_addresses(addresses: Sequence[bytes], masks: Masks) -> Keys:
    """Yield the keys of the networks of such lengths that a client is in, by each of its addresses."""
    for packed in addresses:
        number, size = int.from_bytes(packed), len(packed)
        for length, mask in masks[size]:
            yield "network", network_key((number & mask).to_bytes(size), length)


def addresses(client: Client) -> tuple[bytes, ...]:
    """Return the addresses of a client that say who it is: the one on the wire, and the one that it stands for.

    That of a gateway which hides clients says nothing of any of them, as in `Exemptions`.
    """
    wire, packed = client.wire_packed, client.packed
    if client.origin is Origin.MASKED:
        return ()
    if packed == wire:
        return (wire,) if wire else ()
    if client.origin is Origin.MAPPED:  # IPv4 on the wire too
        return (packed,)
    return (wire,) if packed in _ON_THE_WIRE_ALONE else (wire, packed)


def of_host(iprev: Finding) -> Keys:
    """Yield the keys of the names that lead back to a host, and of those above them."""
    for fact, name in iprev.facts if iprev.result == "pass" else ():
        if fact == "name" and "\\" not in name:  # or a dot may be part of a label
            for domain in _upwards(name.lower().rstrip(".")):
                yield "name", f".{domain}".encode()


def of_sender(sender: str) -> Keys:
    """Yield the keys of a sender: the address, the one that it was made of, its domain, and those above."""
    local, domain = split(sender)
    for name in dict.fromkeys((local, without_bounce_tag(local))):
        yield "sender", _address(name, domain)
    yield from _domains(domain)


def of_recipient(recipient: str) -> Keys:
    """Yield the keys of a recipient: the address, those that it was made of, its domain, and those above.

    Whoever writes to joe+x reaches joe, where the mail server has such extensions, as access(5) looks them up.
    """
    local, domain = split(recipient)
    untagged = without_bounce_tag(local)
    for name in dict.fromkeys((local, untagged, untagged.partition("+")[0] or local)):
        yield "recipient", b"to:" + _address(name, domain)
    for _, key in _domains(domain):
        yield "recipient", b"to:" + key


def above(kind: str, key: bytes) -> Iterator[bytes]:
    """Yield the keys of the entries of a kind that name all whom this key names, which is the first of them."""
    if kind == "network":
        number, bits = int.from_bytes(key[2:]), len(key[2:]) * 8
        for length in range(key[1], -1, -1):
            rest = bits - length
            yield network_key((number >> rest << rest).to_bytes(bits // 8), length)
        return
    to = b"to:" if kind == "recipient" else b""
    local, at, domain = key.removeprefix(to).decode(errors="surrogatepass").rpartition("@")
    yield key
    if local:
        yield to + f"@{domain}".encode()
    for each in _upwards(domain.removeprefix(".")):
        yield to + f"{at}.{each}".encode()


def _address(local: str, domain: str) -> bytes:
    return f"{local.lower()}@{domain}".encode(errors="surrogatepass")


def _domains(domain: str) -> Keys:
    yield "domain", f"@{domain}".encode(errors="surrogatepass")
    for above in _upwards(domain):
        yield "domain", f"@.{above}".encode(errors="surrogatepass")


def _upwards(domain: str) -> Iterator[str]:
    while domain:
        yield domain
        domain = domain.partition(".")[2]
