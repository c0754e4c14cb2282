"""Random responses, whole and spoilt, against dnspython's own reading of the whole message."""

from dataclasses import replace

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from hypothesis import given
from hypothesis import strategies as st

from milter64.dns.message import LARGEST_TTL, Query, Response
from rig.dnsmessages import IDENT, response, soa

TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SPF", "TXT")
USABLE = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)

NAMES = ("a.test.", "A.test.", "b.test.", "c.a.test.", "test.", ".", "other.")
names = st.sampled_from(NAMES)
ttls = st.integers(0, LARGEST_TTL)
datas = {
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str) | st.sampled_from(["::ffff:1.2.3.4", "::1.2.3.4", "::1", "1::", "::2:0:0:0"]),
    "CNAME": names,
    "MX": st.builds("{} {}".format, st.integers(0, 2), names),
    "NS": names,
    "PTR": names,
    "SPF": st.sampled_from(["a", "b", '"" a', '"\\000\\255" b']),
    "TXT": st.sampled_from(["a", "b", '"" a', "ab", "a b"]),
    "SRV": st.just("1 2 3 a.test."),
}


def records(*rdtypes: str) -> st.SearchStrategy[list[str]]:
    one = st.sampled_from(rdtypes).flatmap(
        lambda rdtype: st.builds("{} {} IN {} {}".format, names, ttls, st.just(rdtype), datas[rdtype])
    )
    return st.lists(one, max_size=6)


soas = st.lists(
    st.builds(soa, names, ttls, st.integers(0, 2**32 - 1)),
    max_size=3,
    unique_by=lambda record: record.split()[0].lower(),
)


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """A question and a response."""
    name, rdtype = draw(names), draw(st.sampled_from(TYPES))
    wire = response(
        draw(records(rdtype, rdtype, "CNAME", "SRV")),
        draw(soas) + draw(records("NS")),
        draw(records("A", "AAAA")),
        rcode=draw(st.sampled_from([*USABLE, dns.rcode.SERVFAIL])),
        name=name,
        rdtype=rdtype,
    )
    return name, rdtype, wire


VALUES = {
    "A": lambda record: record.address,
    "AAAA": lambda record: record.address,
    "MX": lambda record: (record.preference, record.exchange.to_text(omit_final_dot=True)),
    "SPF": lambda record: b"".join(record.strings),
    "TXT": lambda record: b"".join(record.strings),
}


def by_dnspython(message: dns.message.Message, rdtype: str) -> Response:
    """Return what a message says, as dnspython reads it."""
    assert isinstance(message, dns.message.QueryMessage)
    nowhere, rcode = b"", message.rcode()
    if message.flags & dns.flags.TC or rcode not in USABLE:
        return Response(rcode=rcode, name=nowhere, truncated=bool(message.flags & dns.flags.TC))
    try:
        chain = message.resolve_chaining()
    except dns.message.ChainTooLong:
        return Response(rcode=rcode, name=nowhere, contradiction="a CNAME loop")
    except dns.message.AnswerForNXDOMAIN:
        return Response(rcode=rcode, name=nowhere, contradiction="a contradictory answer")
    name, links = chain.canonical_name, len(chain.cnames)
    if chain.answer is not None:
        shown = VALUES.get(rdtype, lambda record: record.target.to_text(omit_final_dot=True))
        return Response(
            rcode=rcode,
            name=name.to_digestable(),
            links=links,
            ttl=chain.minimum_ttl,
            answer=tuple(map(shown, chain.answer)),
        )
    ttl = min([LARGEST_TTL, *(rrset.ttl for rrset in chain.cnames)])
    internet, soa = dns.rdataclass.IN, dns.rdatatype.SOA
    zones = {rrset.name for rrset in message.authority if (rrset.rdclass, rrset.rdtype) == (internet, soa)}
    if zones:
        ttl = chain.minimum_ttl if any(name.is_subdomain(zone) for zone in zones) else 0
    return Response(rcode=rcode, name=name.to_digestable(), links=links, ttl=ttl, denied=bool(zones))


def assert_agree(ours: Response | None, theirs: Response) -> None:
    assert ours
    assert (ours.rcode, ours.truncated, ours.contradiction) == (theirs.rcode, theirs.truncated, theirs.contradiction)
    if ours.rcode in USABLE and not ours.truncated and not ours.contradiction:
        assert replace(ours, name=ours.name.lower()) == theirs


@given(exchanges())
def test_a_response_is_read_as_dnspython_reads_it(exchange: tuple[str, str, bytes]) -> None:
    name, rdtype, wire = exchange
    assert_agree(
        Query(dns.name.from_text(name).to_digestable(), rdtype).read(IDENT, wire),
        by_dnspython(dns.message.from_wire(wire), rdtype),
    )


@given(exchanges(), st.lists(st.tuples(st.integers(2), st.integers(0, 255)), max_size=3), st.integers(0, 600))
def test_no_octets_whatever_raise_anything_and_where_dnspython_reads_them_we_agree(
    exchange: tuple[str, str, bytes], spoilt: list[tuple[int, int]], end: int
) -> None:
    name, rdtype, whole = exchange
    wire = bytearray(whole)
    for at, octet in spoilt:
        wire[at % len(wire)] = octet
    octets = bytes(wire[: max(end, 2)])
    found = Query(dns.name.from_text(name).to_digestable(), rdtype).read(IDENT, octets)
    try:
        message = dns.message.from_wire(octets, question_only=bool(octets[2:3] and octets[2] & 2))
    except (dns.exception.DNSException, ValueError):  # ValueError: dnspython 2.3 at an opcode that is not assigned
        return
    asked = dns.message.make_query(name, rdtype, id=int.from_bytes(IDENT))
    if not asked.is_response(message):
        assert found is None
    elif len(message.question) == 1:
        assert_agree(found, by_dnspython(message, rdtype))


@given(st.binary(max_size=60))
def test_noise_is_no_response(octets: bytes) -> None:
    assert Query(b"\0", "A").read(IDENT, IDENT + octets) is None
