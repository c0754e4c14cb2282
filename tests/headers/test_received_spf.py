"""The field Received-SPF (RFC 7208 9.1)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.headers.received_spf import received_spf
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope
from rig.fields import ADDRESSES, HELO, ID, IPREV, MAILFROM, STRANGE, assert_safe, envelope, finding


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


def test_without_a_reason_the_comment_has_the_result() -> None:
    value = received(envelope("192.0.2.1"), finding("spf", "smtp.mailfrom", "neutral"))
    assert value.startswith("neutral\n (mx.example.org: neutral, client 192.0.2.1, ipv4)\n client-ip=192.0.2.1; ")


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


@given(ADDRESSES, STRANGE | st.none(), STRANGE, STRANGE, STRANGE)
def test_received_spf_is_well_formed_whatever_strangers_said(
    wire: str | None, helo: str | None, sender: str, reason: str, mechanism: str
) -> None:
    found = finding("spf", "smtp.mailfrom", "permerror", reason, mechanism=mechanism)
    value = received(envelope(wire, helo, sender), found)
    assert_safe("Received-SPF", value)
    result, _, listed = spf_parts(value)
    assert result == "permerror"
    assert (listed["receiver"], listed["identity"]) == (ID, "mailfrom")
