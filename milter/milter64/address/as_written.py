"""Addresses and networks as people write them: bare, or as logs, mail and Postfix's settings have them."""

import re

from milter64.address.networks import Network, pack, parse_network, unpack

_IN_BRACKETS = re.compile(r"[^\[\]]*\[([^\[\]]+)\](?::[0-9]{1,5})?")
"""unknown[64:ff9b::c01f:c40a]:40000, mail.honest.example [192.31.196.10], [64:ff9b::]"""
_IPV4_AND_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_TAG = re.compile(r"IPv6:", re.IGNORECASE)
"""Of an address literal (RFC 5321 4.1.3)."""
_ZONE = re.compile(r"%[\w.-]+\Z")
"""The interface of a link-local address (RFC 4007 11)."""


def address(text: str) -> str:
    """Return the canonical text (RFC 5952) of an address, such as "unknown[64:ff9b::c01f:c40a]", "192.0.2.1:25".

    Raises:
        ValueError: there is none in it, or more than one.
    """
    written = text.strip()
    if match := _IN_BRACKETS.fullmatch(written) or _IPV4_AND_PORT.fullmatch(written):
        written = match[1]
    try:
        return unpack(pack(_ZONE.sub("", _TAG.sub("", written, count=1))))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def network(text: str) -> Network:
    """Read a network, such as "192.0.2.0/24", "[64:ff9b::]/96".

    Raises:
        ValueError: it is none, or has bits set behind its length.
    """
    first, slash, length = text.strip().partition("/")
    try:
        read = parse_network(f"{address(first)}{slash}{length}")
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32") from None
    if read.ip.value != read.first:
        raise ValueError(f"{text!r} has bits set behind its length; did you mean {read.cidr}?")
    return int(read.first).to_bytes(4 if read.version == 4 else 16), int(read.prefixlen)  # noqa: PLR2004  IP version
