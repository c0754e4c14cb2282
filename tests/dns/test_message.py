"""What is sent as a question, and what is read of a response."""

import struct

import dns.message
import dns.name
import dns.rcode
import pytest

from milter64.dns.message import LARGEST_TTL, Query, Response
from milter64.dns.wire_name import to_text
from rig.dnsmessages import IDENT, NAME, response, soa

TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SPF", "TXT")
USABLE = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


def query(name: str = NAME, rdtype: str = "A") -> Query:
    return Query(dns.name.from_text(name).to_digestable(), rdtype)


def read(wire: bytes, name: str = NAME, rdtype: str = "A") -> Response | None:
    return query(name, rdtype).read(IDENT, wire)


def believed(wire: bytes, name: str = NAME, rdtype: str = "A") -> Response:
    found = read(wire, name, rdtype)
    assert found
    return found


@pytest.mark.parametrize("rdtype", TYPES)
@pytest.mark.parametrize("name", [NAME, ".", r"a\.b\010.example", f"{'x' * 63}.example"])
def test_a_query_is_what_dnspython_would_send(name: str, rdtype: str) -> None:
    wire = query(name, rdtype).message(IDENT)
    expected = dns.message.make_query(name, rdtype, use_edns=0, payload=1232, id=0x1234)
    assert dns.message.from_wire(wire) == dns.message.from_wire(expected.to_wire())
    assert (dns.message.from_wire(wire).payload, wire[:2], len(wire)) == (1232, IDENT, len(expected.to_wire()))


A = f"{NAME}. 300 IN A 192.0.2.1"


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        IDENT + b"\x80",
        bytes(12),
        b"\x12\x35" + response([A])[2:],
        response([A], flags="RD RA"),
        response([A], flags="QR RD RA").replace(b"\x12\x34\x81", b"\x12\x34\xa1"),
        response([A], name="fail.example.org"),
        response([A], name="other.example.org"),
        response([A], rdtype="AAAA"),
        response([A])[:4] + b"\0\0" + response([A])[6:],
        response([A])[:4] + b"\0\2" + response([A])[6:],
        response([A])[:-1],
        response([A])[:7] + b"\2" + response([A])[8:],
        response(rcode=dns.rcode.NOERROR)[:4] + bytes(8),
        response(rcode=dns.rcode.YXDOMAIN)[:4] + bytes(8),
        response([f"{NAME}. 300 IN A 192.0.2.1"]).replace(b"\0\4\xc0\0\2\1", b"\0\3\xc0\0\2"),
        response([f"{NAME}. 300 IN A 192.0.2.1"]).replace(b"\0\4\xc0\0\2\1", b"\0\5\xc0\0\2\1\0"),
        response([f"{NAME}. 300 IN CNAME ."]).replace(b"\0\1\0", b"\0\2\0\0"),
        response([f"{NAME}. 300 IN CNAME ."]).replace(b"\1\x2c\0\1\0", b"\1\x2c\0\2\xc0\xff"),
        response([], [f"{NAME}. 300 IN SOA . . 1 2 3 4 5"]).replace(b"\0\x16\0\0", b"\0\x15\0"),
        response([], [A])[:-1],
    ],
    ids=[
        *(
            "nothing",
            "half a header",
            "zeros",
            "another id",
            "a query",
            "another opcode",
            "another name",
            "a longer name",
        ),
        *("another type", "no question", "two questions", "half a record", "fewer records than told"),
        *("no question and no error", "no question and a strange error", "a short address", "a long address"),
        *("more than a name", "a pointer to nowhere", "a short SOA", "half of another section"),
    ],
)
def test_what_is_no_response_is_none(wire: bytes) -> None:
    assert read(wire) is None


@pytest.mark.parametrize("rdtype", ["TXT", "SPF"])
@pytest.mark.parametrize("octets", [b"", b"\1", b"\0\1", b"\2x"])
def test_strings_that_end_too_soon_are_garbage(rdtype: str, octets: bytes) -> None:
    wire = response([rf"{NAME}. 300 IN {rdtype} \# 2 0178"], rdtype=rdtype)
    assert believed(wire, rdtype=rdtype).answer == (b"x",)
    assert read(wire[:-4] + struct.pack("!H", len(octets)) + octets, rdtype=rdtype) is None


@pytest.mark.parametrize("octets", [b"", b"\0", b"\0\1", b"\0\1\0\0"])
def test_an_mx_record_without_a_name_is_garbage(octets: bytes) -> None:
    wire = response([f"{NAME}. 300 IN MX 1 ."], rdtype="MX")
    assert believed(wire, rdtype="MX").answer == ((1, "."),)
    assert read(wire[:-5] + struct.pack("!H", len(octets)) + octets, rdtype="MX") is None


@pytest.mark.parametrize("rcode", [dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED])
def test_who_did_not_understand_the_question_need_not_repeat_it(rcode: int) -> None:
    assert believed(response(rcode=rcode)[:4] + bytes(8)).rcode == rcode


@pytest.mark.parametrize("rcode", range(16))
def test_an_error_is_one_whatever_comes_with_it(rcode: int) -> None:
    found = read(response([A], rcode=rcode)[:-1])
    assert (
        found is None
        if rcode in USABLE
        else found == Response(rcode=rcode, name=dns.name.from_text(NAME).to_digestable())
    )


def test_a_truncated_response_may_end_anywhere_behind_the_question() -> None:
    wire = response([A], flags="QR TC RD RA")
    for end in range(len(wire)):
        found = read(wire[:end])
        assert found is None if end < 12 + len(NAME) + 2 + 4 else found and found.truncated


def test_case_does_not_matter_and_the_type_has_none() -> None:
    assert believed(response(["mAIL.Example.ORG. 300 IN A 192.0.2.1"], name="MAIL.EXAMPLE.ORG")).answer
    assert read(response(name=NAME, rdtype="TYPE67"), rdtype="SPF") is None, "67 is 99 in lower case"


def test_what_stands_behind_an_answer_is_not_read() -> None:
    assert believed(response([A], [A], [A])[:-20] + b"\xff\xff").answer == ("192.0.2.1",)


@pytest.mark.parametrize("upper", [1, 255])
def test_the_upper_bits_of_the_rcode_count(upper: int) -> None:  # RFC 6891 6.1.3
    wire = bytearray(response() + b"\0" + struct.pack("!HHIH", 41, 1232, upper << 24, 0))
    wire[11] = 1
    assert believed(bytes(wire)).rcode == upper << 4


CHAIN = [f"{NAME}. 300 IN CNAME b.example", "b.example. 200 IN CNAME C.example", "c.example. 100 IN A 192.0.2.1"]


@pytest.mark.parametrize(
    ("answer", "authority", "rcode", "expected"),
    [
        ([A], [], 0, ("192.0.2.1",)),
        ([A, f"{NAME}. 200 IN A 192.0.2.2", A], [], 0, ("192.0.2.1", "192.0.2.2")),
        ([f"{NAME}. 300 CH A a. 1", A, "other.example. 300 IN A 192.0.2.9"], [], 0, ("192.0.2.1",)),
        (CHAIN, [], 0, ("192.0.2.1",)),
        (CHAIN[::-1], [], 0, ("192.0.2.1",)),
        ([CHAIN[0], A], [], 0, ("192.0.2.1",)),
        (CHAIN[:2], [], 0, ()),
        (CHAIN[:1] + CHAIN[2:], [], 0, ()),
        ([], [], 3, ()),
    ],
)
def test_an_answer_is_what_stands_where_the_chain_ends(
    answer: list[str], authority: list[str], rcode: int, expected: tuple[str, ...]
) -> None:
    assert believed(response(answer, authority, rcode=rcode)).answer == expected


def test_an_unfinished_chain_says_where_it_goes_on() -> None:
    found = believed(response(CHAIN[:2]))
    assert (to_text(found.name), found.links, found.ttl, found.denied) == ("C.example", 2, 200, False)


def test_of_several_aliases_of_a_name_the_last_counts() -> None:
    found = believed(response([CHAIN[0], f"{NAME}. 300 IN CNAME other.example", CHAIN[0].replace("b", "last")]))
    assert (to_text(found.name), found.links) == ("last.example", 1)


@pytest.mark.parametrize(
    ("answer", "rcode", "words"),
    [
        ([A], 3, "a contradictory answer"),
        (CHAIN, 3, "a contradictory answer"),
        ([f"{NAME}. 300 IN CNAME {NAME}."], 0, "a CNAME loop"),
        ([*CHAIN[:2], f"c.example. 300 IN CNAME {NAME}."], 0, "a CNAME loop"),
        ([*CHAIN[:2], "c.example. 300 IN CNAME b.example."], 3, "a CNAME loop"),
    ],
)
def test_what_cannot_be_true_is_a_contradiction(answer: list[str], rcode: int, words: str) -> None:
    assert believed(response(answer, rcode=rcode)).contradiction == words


@pytest.mark.parametrize(
    ("answer", "authority", "denied", "ttl"),
    [
        ([], [soa("example.org.", 60, 900)], True, 60),
        ([], [soa("ORG.", 900, 50)], True, 50),
        ([], [soa(".", 900, 50)], True, 50),
        ([], [soa(".", 900, 50), soa("example.org.", 70, 70), soa("org.", 20, 20)], True, 70),
        ([], [soa("example.org.", 0, 50), soa("org.", 20, 20)], True, 0),
        ([], [soa("ample.org.", 60, 60)], True, 0),
        ([], [soa("below.mail.example.org.", 60, 60)], True, 0),
        ([], [A], False, LARGEST_TTL),
        ([], [soa(".", 60, 60).replace("IN", "CH")], False, LARGEST_TTL),
        (CHAIN[:2], [soa("example.", 900, 900)], True, 200),
        (CHAIN[:2], [soa("example.", 900, 150)], True, 150),
        (CHAIN[:2], [soa("example.org.", 900, 900)], True, 0),
    ],
)
def test_a_denial_is_good_as_long_as_the_zones_own_soa_record_says(  # RFC 2308 5
    answer: list[str], authority: list[str], ttl: int, *, denied: bool
) -> None:
    found = believed(response(answer, authority, rcode=dns.rcode.NXDOMAIN))
    assert (found.answer, found.denied, found.ttl) == ((), denied, ttl)


@pytest.mark.parametrize(
    ("answer", "ttl"),
    [
        ([A, f"{NAME}. 200 IN A 192.0.2.2", f"{NAME}. 400 IN A 192.0.2.3"], 200),
        (CHAIN, 100),
        ([CHAIN[0].replace("300", "50"), *CHAIN[1:]], 50),
        ([CHAIN[0], CHAIN[1].replace("200", "50"), CHAIN[2]], 50),
    ],
)
def test_an_answer_is_good_as_long_as_its_shortest_ttl(answer: list[str], ttl: int) -> None:
    assert believed(response(answer)).ttl == ttl


def test_a_ttl_beyond_31_bits_is_none() -> None:  # RFC 2181 8
    wire = response([A]).replace(struct.pack("!I", 300), b"\x80\0\0\0")
    assert believed(wire).ttl == 0
    wire = response([], [soa(".", 300, 50)]).replace(struct.pack("!I", 300), b"\x80\0\0\0")
    assert believed(wire).ttl == 0
