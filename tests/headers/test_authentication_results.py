import re
from dataclasses import replace

import pytest
from authres import AuthenticationResultsHeader  # type: ignore[import-untyped]  # it ships no type information
from hypothesis import given
from hypothesis import strategies as st

from milter64.headers.authentication_results import authentication_results
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from rig.fields import (
    ADDRESSES,
    EVIL,
    HELO,
    ID,
    IPREV,
    MAILFROM,
    NASTY,
    STRANGE,
    TRANSLATOR,
    assert_safe,
    envelope,
    finding,
)


def read(value: str) -> list[tuple[str, str, dict[str, str]]]:
    """Return methods, results and properties as another implementation reads them."""
    header = AuthenticationResultsHeader.parse_value(re.sub(r"\n(?=[ \t])", "", value))
    return [
        (each.method, each.result, {f"{p.type}.{p.name}": p.value for p in each.properties}) for each in header.results
    ]


def test_a_translated_clients_message_shows_both_addresses() -> None:
    helo_check = finding("helo", "smtp.helo", "pass", "leads to the client")
    assert authentication_results(ID, envelope(), [IPREV, helo_check, HELO, MAILFROM]) == (
        "mx.example.org;\n spf=none (no record) smtp.helo=mail.example.org",
        (
            "mx.example.org;\n"
            " spf=pass (ip4:192.31.196.0/24) smtp.mailfrom=example.org;\n"
            " iprev=pass (mail.example.org) policy.iprev=192.31.196.10\n"
            " (client 192.31.196.10, wire 64:ff9b::c01f:c40a, translated)"
        ),
    )


def test_no_field_has_two_results_of_one_method_and_the_last_of_spf_is_the_senders() -> None:
    fields = authentication_results(ID, envelope(), [MAILFROM, HELO, IPREV])
    found = [[(method, *properties) for method, _, properties in read(value)] for value in fields]
    assert found == [[("spf", "smtp.helo")], [("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")]]


def dnswl(name: str, result: str, *answers: str) -> Finding:
    facts = tuple(("answer", answer) for answer in answers)
    return Finding(check="dnswl", property=name, result=result, reason="as it says", facts=facts)


def test_a_list_that_accepts_by_address_stands_in_the_field_as_rfc_8904_has_it() -> None:
    found = [dnswl("wl.example", "pass", "127.0.10.1", "127.0.10.2"), MAILFROM]
    (value,) = authentication_results(ID, envelope(), found)
    assert value == (
        "mx.example.org;\n"
        " spf=pass (ip4:192.31.196.0/24) smtp.mailfrom=example.org;\n"
        ' dnswl=pass (as it says) dns.zone=wl.example policy.ip="127.0.10.1,127.0.10.2"\n'
        " dns.sec=na\n"
        " (client 192.31.196.10, wire 64:ff9b::c01f:c40a, translated)"
    )
    assert read(value)[1][:2] == ("dnswl", "pass")  # authres knows no properties of the type dns


def test_each_further_list_has_a_field_of_its_own_and_no_other_list_has_any() -> None:
    none = Finding(check="dnsbl", property="bl.example", result="listed", reason="secret")
    found = [dnswl("a.example", "none"), dnswl("b.example", "permerror"), dnswl("a.example/name", "pass"), none, IPREV]
    values = authentication_results(ID, envelope(), found)
    assert [[(method, result) for method, result, _ in read(value)] for value in values] == [
        [("dnswl", "permerror")],
        [("iprev", "pass"), ("dnswl", "none")],
    ]
    assert "bl.example" not in repr(values)
    assert "/name" not in repr(values)


def test_where_helo_alone_was_judged_its_field_tells_who_the_client_is() -> None:
    assert authentication_results(ID, envelope("192.0.2.1"), [HELO]) == (
        "mx.example.org;\n spf=none (no record) smtp.helo=mail.example.org\n (client 192.0.2.1, ipv4)",
    )


@pytest.mark.parametrize(
    ("findings", "value"),
    [
        pytest.param([], "none", id="nothing was asked"),
        pytest.param([finding("helo", "smtp.helo", "fail")], "none", id="RFC 8601 4: no unregistered method"),
    ],
)
def test_a_message_of_which_nothing_was_judged_says_none_and_why(findings: list[Finding], value: str) -> None:
    assert authentication_results(ID, envelope("192.0.2.1"), findings) == (
        f"mx.example.org;\n {value}\n (client 192.0.2.1, ipv4)",
    )


@pytest.mark.parametrize(
    ("wire", "comment"),
    [
        ("192.0.2.1", "(client 192.0.2.1, ipv4)"),
        ("2001:db8::1", "(client 2001:db8::1, ipv6)"),
        ("fd00::1", "(client fd00::1, ipv6, private)"),
        ("::ffff:192.0.2.1", "(client 192.0.2.1, wire ::ffff:192.0.2.1, mapped)"),
        ("64:ff9b::7f00:1", "(wire 64:ff9b::7f00:1, invalid)"),
        ("64:ff9b:1::1", "(wire 64:ff9b:1::1, undecoded)"),
        ("2001:db8:9::1", "(wire 2001:db8:9::1, masked)"),
        (None, "(client unknown)"),
    ],
)
def test_the_last_comment_tells_who_the_client_is(wire: str | None, comment: str) -> None:
    (value,) = authentication_results(ID, envelope(wire), [])
    assert value.endswith(f"\n {comment}")


def test_an_ipv6_address_is_quoted() -> None:
    (value,) = authentication_results(ID, envelope("2001:db8::1"), [IPREV])
    assert ' iprev=pass (mail.example.org) policy.iprev="2001:db8::1"\n' in value
    assert read(value) == [("iprev", "pass", {"policy.iprev": "2001:db8::1"})]


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        pytest.param("User@Example.ORG.", "example.org", id="RFC 7489 3.1.2: no local part"),
        pytest.param(f"{'x' * 300}@example.org", "example.org", id="nor any of a long one"),
        pytest.param('"a@b c"@example.org', "example.org", id="nor of a quoted one"),
        pytest.param("user@Bücher.example", "xn--bcher-kva.example", id="RFC 8601 2.2: A-labels"),
        pytest.param("üser@bu\u0308cher。example", "xn--bcher-kva.example", id="RFC 6531: all of it internationalised"),
        pytest.param("", "mail.example.org", id="RFC 7208 2.4: the null sender"),
        pytest.param("user@[192.0.2.1]", '"[192.0.2.1]"', id="RFC 2045 5.1: brackets are no token"),
        pytest.param("user@a;b=c", '"a;b=c"', id="RFC 2045 5.1: nor are semicolon and equals sign"),
        pytest.param("root", None, id="no domain to show"),
    ],
)
def test_of_a_sender_no_more_is_shown_than_the_domain(sender: str, shown: str | None) -> None:
    found = replace(MAILFROM, facts=(*MAILFROM.facts, ("local-part", "yes")))
    (value,) = authentication_results(ID, envelope(sender=sender), [found])
    line = value.split("\n")[1]
    assert line.partition(" smtp.mailfrom=")[2] == (shown or "")
    assert ("smtp.mailfrom" in line) is (shown is not None)


@pytest.mark.parametrize(
    ("helo", "shown"),
    [
        ("mail.example.org", " smtp.helo=mail.example.org"),
        ("[192.0.2.1]", ' smtp.helo="[192.0.2.1]"'),
        ("[IPv6:2001:db8::1]", ' smtp.helo="[IPv6:2001:db8::1]"'),
        ('a"b\\c', ' smtp.helo="a\\"b\\\\c"'),
        ("x; spf=pass", ' smtp.helo="x; spf=pass"'),
        ("a\r\nX-Evil: 1", ' smtp.helo="a X-Evil: 1"'),
        ("mail\x00\xe9", ' smtp.helo="mail?"'),
        ("", ""),
        (None, ""),
    ],
)
def test_a_helo_that_is_no_token_is_quoted(helo: str | None, shown: str) -> None:
    (value,) = authentication_results(ID, envelope(helo=helo), [HELO])
    line = value.split("\n")[1]
    assert line == f" spf=none (no record){shown}"


def test_a_comment_holds_nothing_that_means_something_outside_of_one() -> None:
    (value,) = authentication_results(ID, envelope(), [finding("iprev", "policy.iprev", "fail", EVIL)])
    assert """iprev=fail (x] , spf:pass [ X-Evil: ?/'') policy""" in value
    assert read(value) == [("iprev", "fail", {"policy.iprev": "192.31.196.10"})]


def test_without_a_reason_there_is_no_comment() -> None:
    (value,) = authentication_results(ID, envelope("192.0.2.1"), [finding("spf", "smtp.mailfrom", "neutral")])
    assert value == "mx.example.org;\n spf=neutral smtp.mailfrom=example.org\n (client 192.0.2.1, ipv4)"


def test_long_lines_are_folded_at_blanks() -> None:
    (value,) = authentication_results(ID, envelope(), [finding("spf", "smtp.mailfrom", "neutral", "word " * 40)])
    assert value.replace("\n", "").startswith(f"{ID}; spf=neutral ({'word ' * 39}word) smtp.mailfrom=example.org (")
    assert max(map(len, value.split("\n"))) in range(74, 79)


@pytest.mark.parametrize(("length", "lines"), [(47, 1), (48, 2)])
def test_the_semicolon_behind_a_result_counts_too(length: int, lines: int) -> None:
    found = [finding("spf", "smtp.mailfrom", "softfail"), IPREV]
    (value,) = authentication_results(ID, envelope(sender=f"joe@{'a' * length}.x"), found)
    spf = value[value.index(" spf") : value.index(" iprev")].rstrip("\n").split("\n")
    assert (len(spf), sum(map(len, spf))) == (lines, 31 + length)


def test_an_authserv_id_that_is_no_token_is_quoted() -> None:
    assert authentication_results("example.org/mx 1", envelope(), [])[0].startswith('"example.org/mx 1";\n')


@given(ADDRESSES, STRANGE | NASTY | st.none(), STRANGE, STRANGE)
def test_another_implementation_reads_back_what_was_written_whatever_strangers_said(
    wire: str | None, helo: str | None, sender: str, reason: str
) -> None:
    found = [
        finding("spf", "smtp.mailfrom", "softfail", reason),
        finding("spf", "smtp.helo", "none", reason),
        finding("iprev", "policy.iprev", "temperror", reason),
    ]
    fields = authentication_results(ID, envelope(wire, helo, sender), found)
    for value in fields:
        assert_safe("Authentication-Results", value)
    (helo_result,), (mailfrom, iprev) = map(read, fields)
    assert (*mailfrom[:2], *helo_result[:2], *iprev[:2]) == ("spf", "softfail", "spf", "none", "iprev", "temperror")
    address, greeting = TRANSLATOR.client(wire).address, clean(helo or "")
    assert iprev[2] == ({"policy.iprev": address} if address else {})
    assert set(mailfrom[2]) <= {"smtp.mailfrom"}
    if "@" not in greeting:
        assert re.sub(r"\\(.)", r"\1", helo_result[2].get("smtp.helo", "")) == greeting
