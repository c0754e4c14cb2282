import re
from dataclasses import replace

import pytest
from authres import AuthenticationResultsHeader  # type: ignore[import-untyped]  # it ships no type information
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.headers.authentication_results import authentication_results
from milter64.headers.received_spf import received_spf
from milter64.headers.settings import Settings
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, Session

TRANSLATOR = Translator([Prefix("64:ff9b::/96")], gateways=["2001:db8:9::1"])
ID = "mx.example.org"
EVIL = "x) ; spf=pass (\r\nX-Evil: \x1b\\\"'"


def envelope(
    wire: str | None = "64:ff9b::c01f:c40a", helo: str | None = "mail.example.org", sender: str = "user@example.org"
) -> Envelope:
    session = Session(token="t", client=TRANSLATOR.client(wire), port=25, helo=helo, mta=ID)
    return Envelope(session=session, sender=sender, login="")


def finding(check: str, prop: str, result: str, reason: str = "", **facts: str) -> Finding:
    return Finding(check=check, property=prop, result=result, reason=reason, facts=tuple(facts.items()))


IPREV = finding("iprev", "policy.iprev", "pass", "mail.example.org")
HELO = finding("spf", "smtp.helo", "none", "no record")
MAILFROM = finding("spf", "smtp.mailfrom", "pass", "ip4:192.31.196.0/24", mechanism="ip4:192.31.196.0/24")

strange = st.binary(max_size=300).map(lambda raw: raw.decode(errors="surrogateescape")) | st.text(max_size=300)
nasty = st.text('ab.;=()\\"@ ,:[]\n')
addresses = st.sampled_from(["192.0.2.1", "2001:db8::1", "64:ff9b::c01f:c40a", "64:ff9b::7f00:1", None])


def read(value: str) -> list[tuple[str, str, dict[str, str]]]:
    """Return methods, results and properties as another implementation reads them."""
    header = AuthenticationResultsHeader.parse_value(re.sub(r"\n(?=[ \t])", "", value))
    return [
        (each.method, each.result, {f"{p.type}.{p.name}": p.value for p in each.properties}) for each in header.results
    ]


def assert_safe(field: str, value: str) -> None:
    lines = f"{field}: {value}".split("\n")
    assert all(re.fullmatch(r" [!-~][ -~]*", line) for line in lines[1:])
    assert all(" " <= character <= "~" for character in lines[0])
    assert all(len(line) <= 998 for line in lines)
    assert all(len(line) <= 78 or " " not in line[1:] for line in lines[1:])


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
    value = received(envelope("192.0.2.1"), finding("spf", "smtp.mailfrom", "neutral"))
    assert value.startswith("neutral\n (mx.example.org: neutral, client 192.0.2.1, ipv4)\n client-ip=192.0.2.1; ")


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


@given(addresses, strange | nasty | st.none(), strange, strange)
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


def received(judged: Envelope, found: Finding) -> str:
    (value,) = received_spf(judged, {found.key: found}, ID)
    return value


def test_each_of_spfs_findings_has_its_received_spf_the_senders_last() -> None:
    fields = received_spf(envelope(), {each.key: each for each in (MAILFROM, IPREV, HELO)}, ID)
    assert [spf_parts(value)[2]["identity"] for value in fields] == ["helo", "mailfrom"]


def test_received_spf_tells_all_that_it_takes_to_judge_again() -> None:
    assert received(envelope(), MAILFROM) == (
        "pass\n"
        " (mx.example.org: ip4:192.31.196.0/24, client 192.31.196.10, wire\n"
        " 64:ff9b::c01f:c40a, translated)\n"
        ' client-ip=192.31.196.10; envelope-from="user@example.org";\n'
        " helo=mail.example.org; receiver=mx.example.org; identity=mailfrom;\n"
        ' mechanism="ip4:192.31.196.0/24"'
    )


@pytest.mark.parametrize(
    ("judged", "found", "pairs"),
    [
        pytest.param(
            envelope("2001:db8::1", sender=""),
            finding("spf", "smtp.helo", "softfail", "ends in ~all", mechanism="all"),
            {"client-ip": "2001:db8::1", "envelope-from": "<>", "identity": "helo", "mechanism": "all"},
            id="the null sender",
        ),
        pytest.param(
            envelope("192.0.2.1"),
            finding("spf", "smtp.mailfrom", "temperror", 'ns "a" timed out'),
            {"client-ip": "192.0.2.1", "problem": 'ns "a" timed out', "mechanism": "default"},
            id="an error",
        ),
        pytest.param(
            envelope("192.0.2.1"),
            finding("spf", "smtp.mailfrom", "permerror", "two records"),
            {"problem": "two records", "mechanism": "default"},
            id="a lasting error",
        ),
        pytest.param(
            envelope("192.0.2.1"), finding("spf", "smtp.mailfrom", "neutral"), {"mechanism": "default"}, id="no match"
        ),
        pytest.param(envelope(helo=None, sender="a@b"), MAILFROM, {"envelope-from": "a@b"}, id="no HELO"),
    ],
)
def test_received_spf_keeps_to_the_keys_of_rfc_7208(judged: Envelope, found: Finding, pairs: dict[str, str]) -> None:
    result, comment, listed = spf_parts(received(judged, found))
    assert result == found.result
    assert comment.startswith(f"{ID}: ")
    assert {key: listed.get(key) for key in pairs} == pairs
    assert ("problem" in listed) is found.result.endswith("error")
    assert ("helo" in listed) is (judged.session.helo is not None)


def spf_parts(value: str) -> tuple[str, str, dict[str, str]]:
    """Read a field with the grammar of RFC 7208 9.1."""
    text = r"[!#-'*+/-9=?A-Z^-~-]+(?:\.[!#-'*+/-9=?A-Z^-~-]+)*"
    word = rf'(?:{text}|"(?:[^"\\]|\\.)*")'
    pair = rf"[a-z-]+={word}"
    field = re.fullmatch(rf"([a-z]+) \(([^()\\]*)\) ({pair}(?:; {pair})*)", value.replace("\n", ""))
    assert field, value
    pairs = re.findall(rf"([a-z-]+)=({word})(?:; |$)", field[3])
    return field[1], field[2], {key: re.sub(r'\\(.)|"', r"\1", value) for key, value in pairs}


@given(addresses, strange | st.none(), strange, strange, strange)
def test_received_spf_is_well_formed_whatever_strangers_said(
    wire: str | None, helo: str | None, sender: str, reason: str, mechanism: str
) -> None:
    found = finding("spf", "smtp.mailfrom", "permerror", reason, mechanism=mechanism)
    value = received(envelope(wire, helo, sender), found)
    assert_safe("Received-SPF", value)
    result, _, listed = spf_parts(value)
    assert result == "permerror"
    assert (listed["receiver"], listed["identity"]) == (ID, "mailfrom")


def test_results_are_added_and_received_spf_is_not_unless_told() -> None:
    assert Settings() == Settings(authentication_results=True, received_spf=False)
    assert [Settings(authentication_results=a, received_spf=b).any for a in (False, True) for b in (False, True)] == [
        False,
        True,
        True,
        True,
    ]
