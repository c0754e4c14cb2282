"""A question and its response as DNS messages (RFC 1035 4): what is sent, and as much as matters of what comes back.

dnspython makes objects of every record, those of the authority and additional sections too, and that took longer than
all else about a question. Behind an answer nothing is read; a void response is read to its end, for the SOA record
(RFC 2308) and the upper bits of the RCODE (RFC 6891 6.1.3).
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import dns.exception
import dns.rcode

from milter64.address.frozen_dataclass import frozen
from milter64.address.networks import unpack
from milter64.dns.name_compression import Message, TooMuch
from milter64.dns.wire_name import to_text

PAYLOAD = 1232
"""The largest UDP answer that we ask for, in octets: what passes any path unfragmented (DNS Flag Day 2020)."""
LARGEST_TTL = 2**31 - 1

_MOST_NAMES = 32
"""Records with names that are read: nobody looks at more than ten (RFC 7208 4.6.4), and CNAME records stand before."""
_TOO_MUCH = "too many records"

_IN = 1
_CNAME, _SOA, _OPT = 5, 6, 41
_HEADER = struct.Struct("!2xBBHHHH")
_RECORD = struct.Struct("!HHIH")
_QUERY_HEADER = struct.pack("!HHHH", 0x0100, 1, 0, 0)
"""It desires recursion, and counts one question; the number of additional records follows."""
_QUERY_OPT = b"\0" + _RECORD.pack(_OPT, PAYLOAD, 0, 0)
_QUESTION_AT = 12
_TO_QUESTION = b"\xc0\x0c"
"""A pointer to the question's name (RFC 1035 4.1.4); most servers write the owner of an answer so."""
_QR_AND_OPCODE, _RESPONSE, _TC, _RCODE = 0xF8, 0x80, 0x02, 0x0F
_USABLE = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})
_WITHOUT_QUESTION = frozenset({dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})
"""What a server may say without repeating a question that it may not have understood."""
_SHORTEST_SOA = 22
"""Octets: two names, and five numbers, the last of which limits the negative TTL (RFC 2308 5)."""


@frozen
class Response:
    """What a nameserver says to a question.

    `answer` has the values, as `dns.Answer` describes them. `name`, uncompressed octets, is where the `links` CNAME
    records end; a chain may go on in another response. `ttl` is the shortest of the chain and the answer or the SOA
    record, in seconds. `denied` is whether there is an SOA record, without which a void response says nothing for sure.
    `contradiction` is what is wrong if the response can't be true. Only `rcode` counts if `truncated`, or if `rcode`
    is neither NOERROR nor NXDOMAIN.
    """

    rcode: int
    name: bytes
    truncated: bool = False
    answer: tuple[Any, ...] = ()
    ttl: int = LARGEST_TTL
    links: int = 0
    denied: bool = False
    contradiction: str = ""


class Query:
    """A question about a name: A, AAAA, CNAME, MX, NS, PTR, SPF or TXT records of the class IN."""

    def __init__(self, name: bytes, rdtype: str) -> None:
        """Write the message but for its id; the name is in octets, and in lower case."""
        self._owner = name
        self._rdtype, self._read_value, self._show, self._alike = _TYPES[rdtype]
        self._kind = struct.pack("!HH", self._rdtype, _IN)

    def message(self, ident: bytes, *, edns: bool = True) -> bytes:
        """Return the message to send, under an id of two octets, which nobody must be able to guess.

        With `edns` it has an additional record: EDNS's, version 0, no options.
        """
        question = b"\0\1" + self._owner + self._kind + _QUERY_OPT if edns else b"\0\0" + self._owner + self._kind
        return ident + _QUERY_HEADER + question

    def read(self, ident: bytes, wire: bytes) -> Response | None:
        """Return the response to that message; None for what is none: garbage, or the answer to something else."""
        try:
            return self._read(ident, wire)
        except (struct.error, dns.exception.DNSException, IndexError):
            return None
        except TooMuch:
            return Response(rcode=dns.rcode.NOERROR, name=self._owner, contradiction=_TOO_MUCH)

    def _read(self, ident: bytes, wire: bytes) -> Response | None:
        flags, more_flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
        rcode = more_flags & _RCODE
        if wire[:2] != ident or flags & _QR_AND_OPCODE != _RESPONSE:
            return None
        if questions == 0 and rcode in _WITHOUT_QUESTION:
            return Response(rcode=rcode, name=self._owner)
        name_end = _QUESTION_AT + len(self._owner)
        end = name_end + len(self._kind)
        if questions != 1 or wire[_QUESTION_AT:name_end].lower() != self._owner or wire[name_end:end] != self._kind:
            return None
        if flags & _TC or rcode not in _USABLE:
            return Response(rcode=rcode, name=self._owner, truncated=bool(flags & _TC))
        message = Message(wire)
        few = min(answers, _MOST_NAMES) if self._read_value in (_name, _mx) else answers
        records, end = self._section(message, end, few)
        response = self._follow(rcode, self._rrsets(message, records))
        if response.answer or few < answers:
            return response
        authority, end = self._section(message, end, authorities)
        additional, _ = self._section(message, end, additionals)
        return _void(response, wire, authority, additional)

    def _section(self, message: Message, at: int, count: int) -> tuple[list["_Record"], int]:
        """Read a section's records, but not what is in them; return them and where they end."""
        wire, records = message.wire, []
        message.count(count)
        for _ in range(count):
            if wire[at : at + 2] == _TO_QUESTION:
                owner, at = self._owner, at + 2
            else:
                name, at = message.name(at)
                owner = name.lower()
            rdtype, rdclass, ttl, length = _RECORD.unpack_from(wire, at)
            start = at + _RECORD.size
            at = start + length
            if at > len(wire):
                raise dns.exception.FormError
            records.append((owner, rdtype, rdclass, ttl, start, at))
        return records, at

    def _rrsets(self, message: Message, records: list["_Record"]) -> dict[tuple[bytes, int], "_RRset"]:
        """Read what is in the records that may belong to the answer."""
        rrsets: dict[tuple[bytes, int], _RRset] = {}
        for owner, rdtype, rdclass, ttl, start, end in records:
            if rdclass == _IN and rdtype in (self._rdtype, _CNAME):
                read, alike = (self._read_value, self._alike) if rdtype == self._rdtype else (_name, bytes.lower)
                value = read(message, start, end)
                shortest, values = rrsets.get((owner, rdtype), (LARGEST_TTL, {}))
                rrsets[owner, rdtype] = min(shortest, _valid(ttl)), values
                if rdtype == _CNAME:
                    values.clear()  # there can be one alone; of several the last counts, as with dnspython
                values.setdefault(alike(value), value)
        return rrsets

    def _follow(self, rcode: int, rrsets: dict[tuple[bytes, int], "_RRset"]) -> Response:
        target, owner, ttl, passed = self._owner, self._owner, LARGEST_TTL, set[bytes]()
        while not (found := rrsets.get((owner, self._rdtype))) and (alias := rrsets.get((owner, _CNAME))):
            if owner in passed:
                # To be signalled as an error (RFC 1034 3.6.2), as unbound does: it is neither NXDOMAIN nor NODATA, and
                # so no void answer (RFC 7208 4.6.4).
                return Response(rcode=rcode, name=target, contradiction="a CNAME loop")
            passed.add(owner)
            ttl = min(ttl, alias[0])
            (target,) = alias[1].values()
            owner = target.lower()
        if not found:
            return Response(rcode=rcode, name=target, ttl=ttl, links=len(passed))
        if rcode == dns.rcode.NXDOMAIN:
            return Response(rcode=rcode, name=target, contradiction="a contradictory answer")
        values = tuple(map(self._show, found[1].values()))
        return Response(rcode=rcode, name=target, answer=values, ttl=min(ttl, found[0]), links=len(passed))


_Record = tuple[bytes, int, int, int, int, int]
"""Owner, type, class, TTL as it stands there, and where the data begin and end."""
_RRset = tuple[int, dict[Any, Any]]
"""The shortest TTL, and the values without duplicates, by what makes them alike."""


def _void(response: Response, wire: bytes, authority: list[_Record], additional: list[_Record]) -> Response:
    """Complete a response without answer by what the other sections say."""
    rcode, shortest = response.rcode, response.ttl
    if upper := next((ttl >> 24 for _, rdtype, _, ttl, _, _ in additional if rdtype == _OPT), 0):
        rcode |= upper << 4
    negative = {
        owner: min(_valid(ttl), _minimum(wire, start, end))
        for owner, rdtype, rdclass, ttl, start, end in authority
        if (rdtype, rdclass) == (_SOA, _IN)
    }
    if negative:
        zone = response.name.lower()
        while zone and zone not in negative:
            zone = zone[1 + zone[0] :]
        shortest = min(shortest, negative.get(zone, 0))  # another zone's SOA record says nothing about how long
    return Response(
        rcode=rcode,
        name=response.name,
        ttl=shortest,
        links=response.links,
        denied=bool(negative),
        contradiction=response.contradiction,
    )


def _valid(ttl: int) -> int:
    return ttl if ttl <= LARGEST_TTL else 0  # RFC 2181 8


def _minimum(wire: bytes, start: int, end: int) -> int:
    if end - start < _SHORTEST_SOA:
        raise dns.exception.FormError
    return int.from_bytes(wire[end - 4 : end])


def _octets(length: int, message: Message, start: int, end: int) -> bytes:
    if end - start != length:
        raise dns.exception.FormError
    return message.wire[start:end]


def _name(message: Message, start: int, end: int) -> bytes:
    octets, after = message.name(start)
    if after != end:
        raise dns.exception.FormError
    return octets


def _mx(message: Message, start: int, end: int) -> tuple[int, bytes]:
    return int.from_bytes(message.wire[start : start + 2]), _name(message, start + 2, end)


def _strings(message: Message, start: int, end: int) -> tuple[bytes, ...]:
    wire, strings = message.wire, []
    while start < end:
        message.count(1)
        after = start + 1 + wire[start]
        strings.append(wire[start + 1 : after])
        start = after
    if start != end or not strings:
        raise dns.exception.FormError
    return tuple(strings)


_Type = tuple[int, Callable[[Message, int, int], Any], Callable[[Any], Any], Callable[[Any], Any]]
_TYPES: dict[str, _Type] = {
    "A": (1, partial(_octets, 4), unpack, bytes),
    "AAAA": (28, partial(_octets, 16), unpack, bytes),
    "CNAME": (_CNAME, _name, to_text, bytes.lower),
    "MX": (15, _mx, lambda value: (value[0], to_text(value[1])), lambda value: (value[0], value[1].lower())),
    "NS": (2, _name, to_text, bytes.lower),
    "PTR": (12, _name, to_text, bytes.lower),
    "SPF": (99, _strings, b"".join, tuple),
    "TXT": (16, _strings, b"".join, tuple),
}
"""Number; how to read a record's data between two offsets, what an answer's value is, and by what data are alike."""
