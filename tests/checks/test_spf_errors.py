"""What people are told of an error in SPF records: what is wrong, in whose record, and with which of its terms."""

import gc
from math import inf
from weakref import ref

import pytest

from milter64.checks.spf import mailfrom
from milter64.dns.lookup import Lookup
from rig.envelopes import envelope
from rig.records import Records, zone

CHAIN = """
    example.org TXT v=spf1 include:one.t -all
    one.t TXT v=spf1 include:two.t -all
    two.t TXT v=spf1 redirect=three.t
    three.t TXT v=spf1 ip4:10.0.0.1 {faulty} -all
    twice.t TXT v=spf1 all
    twice.t TXT v=spf1 -all
"""
HOSTS = "\n".join(f"many.t MX {number} h{number}.t" for number in range(11))


def reason(records: str) -> str:
    finding = Records(zone(records)).find(mailfrom, envelope("192.31.196.10", "mx.t", "joe@example.org"))
    assert finding.result == "permerror"
    return finding.reason


@pytest.mark.parametrize(
    ("faulty", "what"),
    [
        ("ip4:1.2.3", "invalid IP4 address"),
        ("ip6:::1/129", "invalid IP6 CIDR length"),
        ("a:b.t,", "do not separate mechnisms with commas"),
        ("a:%{x}.t", "invalid domain"),
        ("a/999999999", "invalid IP4 CIDR length"),
        ("include", "include mechanism missing domain"),
        ("exists", "implicit exists not allowed"),
        ("=a", "unknown qualifier, RFC 4408 para 4.6.1, found in"),
        ("bad", "unknown mechanism found"),
        ("x=%{", "invalid macro"),
        ("include:none.t", "no SPF record at none.t"),
        ("include:twice.t", "more than one SPF record at twice.t"),
        ("mx:many.t", "more than 10 MX records at many.t"),
    ],
)
def test_an_error_names_its_term_and_in_whose_record_it_stands_through_any_chain(faulty: str, what: str) -> None:
    assert reason(CHAIN.format(faulty=faulty) + HOSTS) == f"{what}, in the record of three.t: {faulty}"


def test_the_second_of_two_modifiers_is_named() -> None:
    assert reason(CHAIN.format(faulty="exp=a.t exp=b.t")) == "exp= more than once, in the record of three.t: exp=b.t"


def test_a_record_of_strange_characters_is_named() -> None:
    what = "characters that are not printable ASCII in the record of three.t"
    assert reason(CHAIN.format(faulty="é")) == f"{what}, in the record of two.t: redirect=three.t"
    assert reason("example.org TXT v=spf1 é").endswith("in the record of example.org")


def test_too_many_look_ups_name_the_limit_and_where_it_was_passed() -> None:
    endless = reason(CHAIN.format(faulty="include:one.t"))
    assert endless == "more than 10 terms that ask DNS, in the record of one.t: include:two.t"
    void = reason(CHAIN.format(faulty="a:v1.t mx:v2.t exists:v3.t"))
    assert void == "more than 2 terms that find nothing in DNS, in the record of three.t: exists:v3.t"


def test_two_records_of_the_sender_itself_are_named() -> None:
    assert reason("example.org TXT v=spf1 all\nexample.org TXT v=spf1") == "more than one SPF record at example.org"


def test_a_long_term_does_not_hide_whose_it_is() -> None:
    assert reason(f"example.org TXT v=spf1 {'x' * 300}").startswith("unknown mechanism found, in the record of example")


def test_an_error_keeps_nothing_of_what_was_asked_when_it_is_told() -> None:
    records = Records(zone("example.org TXT v=spf1 a:one.t a:two.t bad\none.t A 10.0.0.1"))
    lookup = Lookup(inf)
    gone = ref(lookup)
    gc.disable()  # which would let go of it some time, after many like it
    try:
        assert (
            records.find(mailfrom, envelope("192.31.196.10", "mx.t", "joe@example.org"), lookup).result == "permerror"
        )
        del lookup
        assert gone() is None
    finally:
        gc.enable()
