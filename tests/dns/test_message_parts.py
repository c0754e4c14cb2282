"""How much is read of a response that is made to cost much."""

import struct

import dns.name
import pytest

from milter64.dns.message import Query, Response
from milter64.dns.name_compression import MOST_PARTS
from rig.dnsmessages import IDENT, NAME, response, soa

QUESTION = b"\xc0\x0c"
LARGEST = 65_535


def read(wire: bytes, rdtype: str = "A") -> Response | None:
    assert len(wire) <= LARGEST
    return Query(dns.name.from_text(NAME).to_digestable(), rdtype).read(IDENT, wire)


def message(rdtype: str, records: list[bytes], extra: bytes = b"") -> bytes:
    """Return a response with these records in its answer section; behind them is what they point to."""
    wire = bytearray(response(rdtype=rdtype))
    wire[6:8] = struct.pack("!H", len(records))
    return bytes(wire) + b"".join(records) + extra


def record(rdtype: int, data: bytes, owner: bytes = QUESTION) -> bytes:
    return owner + struct.pack("!HHIH", rdtype, 1, 300, len(data)) + data


def too_much(found: Response | None) -> bool:
    return found is not None and found.contradiction == "too many records"


@pytest.mark.parametrize(("count", "refused"), [(MOST_PARTS, False), (MOST_PARTS + 1, True), (4000, True)])
def test_an_answer_has_a_thousand_addresses_at_most(count: int, *, refused: bool) -> None:
    found = read(message("A", [record(1, number.to_bytes(4)) for number in range(count)]))
    assert found
    assert too_much(found) is refused
    assert len(found.answer) == (0 if refused else count)


@pytest.mark.parametrize(("strings", "refused"), [(257, False), (999, False), (1000, True)])
def test_a_text_has_a_thousand_strings_at_most(strings: int, *, refused: bool) -> None:
    found = read(message("TXT", [record(16, b"\1x" * strings)]), "TXT")
    assert too_much(found) is refused
    assert refused or (found and found.answer == (b"x" * strings,))


@pytest.mark.parametrize("section", ["authority", "additional"])
def test_other_sections_have_no_more(section: str) -> None:
    for count in (900, 1100):
        records = [f"n{number}. 300 IN A 192.0.2.1" for number in range(count)]
        wire = response([], [soa(NAME, 300, 60), *records]) if section == "authority" else response([], [], records)
        assert too_much(read(wire)) is (count > 900 // 2), "each has a label too"
    assert not too_much(read(response([], [soa(NAME, 300, 60), *records[:400]])))


@pytest.mark.parametrize(("rdtype", "number"), [("PTR", 12), ("MX", 15), ("NS", 2)])
def test_of_records_with_names_the_first_are_read(rdtype: str, number: int) -> None:
    names = [b"\1a" * (1 + each % 40) + QUESTION for each in range(1000)]
    found = read(
        message(rdtype, [record(number, (b"\0\1" if rdtype == "MX" else b"") + name) for name in names]), rdtype
    )
    assert found
    assert (len(found.answer), found.contradiction) == (32, "")
    assert found.answer == tuple(
        (1, name) if rdtype == "MX" else name for name in ("a." * (1 + each) + NAME for each in range(32))
    )


def test_a_name_is_read_once_however_many_pointers_lead_to_it() -> None:
    labels = b"\1a" * 100
    first = record(16, b"\1x", labels + b"\0")
    wire = message("A", [first, *[record(16, b"\1x", b"\xc0" + bytes([34 + 2 * step])) for step in range(100)] * 2])
    assert wire[34:38] == labels[:4]
    found = read(wire)
    assert found == Response(rcode=0, name=dns.name.from_text(NAME).to_digestable()), (
        "201 records, 200 pointers, 100 labels"
    )


@pytest.mark.parametrize(("hops", "followed"), [(100, True), (300, False)])
def test_pointers_to_pointers_are_followed_a_few_times(hops: int, *, followed: bool) -> None:
    root = 34 + 1 + 10
    pointers = [struct.pack("!H", 0xC000 | root + 2 * hop) for hop in range(hops)]
    wire = message("A", [record(16, b"\0\0" + b"".join(pointers), b"\0"), *[record(16, b"", pointers[-1])] * 5])
    assert wire[root : root + 4] == b"\0\0" + pointers[0]
    assert (read(wire) is not None) is followed


@pytest.mark.parametrize("owner", [b"\1a" * 128 + b"\0", b"\x3f" + b"a" * 63 + QUESTION, b"\1a" * 300])
def test_what_makes_no_name_is_garbage(owner: bytes) -> None:
    garbage = len(owner) > 256 or owner[0] == 1
    assert (read(message("A", [record(1, bytes(4), owner)])) is None) is garbage
