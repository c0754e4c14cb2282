"""Responses as octets, built record by record, for tests of how they are read."""

from collections.abc import Iterable

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

IDENT = b"\x12\x34"
NAME = "Mail.example.org"


def response(
    answer: Iterable[str] = (),
    authority: Iterable[str] = (),
    additional: Iterable[str] = (),
    *,
    rcode: int = dns.rcode.NOERROR,
    flags: str = "QR RD RA",
    name: str = NAME,
    rdtype: str = "A",
) -> bytes:
    """Return a message, each of its records given as "owner ttl class type data"."""
    message = dns.message.QueryMessage(id=int.from_bytes(IDENT))
    message.flags = dns.flags.from_text(flags)
    message.set_rcode(dns.rcode.Rcode.make(rcode))
    message.question.append(
        dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.from_text(rdtype))
    )
    for section, records in (
        (message.answer, answer),
        (message.authority, authority),
        (message.additional, additional),
    ):
        section.extend(map(_rrset, records))
    return message.to_wire(max_size=65535)


def _rrset(record: str) -> dns.rrset.RRset:
    owner, ttl, rdclass, rdtype, data = record.split(" ", 4)
    rdata = dns.rdata.from_text(rdclass, rdtype, data, origin=dns.name.root, relativize=False)
    return dns.rrset.from_rdata(dns.name.from_text(owner), int(ttl), rdata)


def soa(owner: str, ttl: int, minimum: int) -> str:
    return f"{owner} {ttl} IN SOA ns.example. hostmaster.example. 1 2 3 4 {minimum}"
