"""Names as they stand in messages (RFC 1035 3.1), and as text.

Nearly all are made of letters, digits, hyphens and underscores, and need no more than to be cut at the dots or joined
by them. dnspython, which makes an object of every name, reads and writes the others, which have escapes.
"""

import re
import struct

import dns.exception
import dns.name

ROOT = b"\0"

_PLAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_PLAIN_OCTETS = re.compile(rb"[A-Za-z0-9_-]+")


def to_wire(name: str) -> bytes | None:
    """Return a name in lower case, whose final dot is gone, as octets; None if it can't be one."""
    if _PLAIN.fullmatch(name):
        return b"".join([b"%c%b" % (len(label), label) for label in name.encode().split(b".")]) + ROOT
    if name in ("", "@") or name.endswith("."):  # dnspython's words for the root; an empty label
        return None
    try:
        return dns.name.from_text(name).to_digestable()
    except (dns.exception.DNSException, struct.error):  # struct.error: dnspython 2.3 at an escape beyond \255
        return None


def to_text(wire: bytes) -> str:
    """Return a well-formed name, uncompressed, in DNS's presentation format and without final dot."""
    labels, at = [], 0
    while length := wire[at]:
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    if not labels:
        return "."
    if not _PLAIN_OCTETS.fullmatch(b"".join(labels)):
        return dns.name.from_wire(wire, 0)[0].to_text(omit_final_dot=True)
    return b".".join(labels).decode()
