import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.mail.clean_text import clean
from milter64.mail.idna_domain import ascii_domain


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("mail.example.org", "mail.example.org", id="plain text stays"),
        pytest.param(" !~ ", "!~", id="the edges of printable ASCII"),
        pytest.param("v=spf1\r\nX-Evil: 1", "v=spf1 X-Evil: 1", id="a line break is a blank"),
        pytest.param("a \t \n b", "a b", id="a run of blanks is one"),
        pytest.param("a\x1b[31mb\x00\x7fc", "a?[31mb?c", id="controls"),
        pytest.param("a \x00 b", "a ? b", id="a control among blanks glues no words"),
        pytest.param("Grüße", "Gr?e", id="a run of what is not ASCII is one"),
        pytest.param("über é und", "?ber ? und", id="words stay apart"),
        pytest.param("a\xa0b\u2028c", "a?b?c", id="a blank that is not ASCII is none"),
        pytest.param("\udcff\udcfe", "?", id="undecodable bytes"),
        pytest.param(" \r\n ", "", id="nothing but blanks"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_strangers_text_becomes_one_line_of_printable_ascii(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("12345678", 8, "12345678"),
        ("123456789", 8, "12345..."),
        ("1234 6789", 8, "1234..."),
        ("ééééééééé", 8, "?"),
        ("   12345678   ", 8, "12345678"),
        ("x" * 256, 255, "x" * 252 + "..."),
    ],
)
def test_what_is_cut_off_is_announced(text: str, limit: int, cut: str) -> None:
    assert clean(text, limit) == cut


def test_the_limit_is_255_unless_told() -> None:
    assert clean("x" * 256) == "x" * 252 + "..."


@given(st.binary(max_size=200).map(lambda raw: raw.decode(errors="surrogateescape")) | st.text(), st.integers(3, 60))
def test_whatever_comes_in_what_goes_out_can_stand_anywhere(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert all(" " <= character <= "~" for character in cleaned)
    assert cleaned == cleaned.strip(" ")
    assert "  " not in cleaned
    assert clean(cleaned, limit) == cleaned


@pytest.mark.parametrize(
    ("domain", "known"),
    [
        pytest.param("Mail.Example.ORG.", "mail.example.org", id="RFC 1035 2.3.3: case and the final dot say nothing"),
        pytest.param("bücher.example", "xn--bcher-kva.example", id="RFC 5890 2.3.2.1: a U-label becomes an A-label"),
        pytest.param("BÜCHER.Example", "xn--bcher-kva.example", id="in capitals"),
        pytest.param("bu\u0308cher.example", "xn--bcher-kva.example", id="RFC 5891 5.2: not normalised"),
        pytest.param("XN--BCHER-kva.example", "xn--bcher-kva.example", id="an A-label in capitals"),
        pytest.param("bücher\u3002example\uff0eorg\uff61", "xn--bcher-kva.example.org", id="UTS 46 4: other dots"),
        pytest.param("Straße.example", "xn--strae-oqa.example", id="RFC 5892 2.6: sharp s is a letter of its own"),
        pytest.param("STRAẞE.example", "xn--strae-oqa.example", id="in capitals, too"),
        pytest.param("ΒΌΛΟΣ.example", "xn--nxasmq6b.example", id="a capital sigma is no final one"),
        pytest.param("βόλος.example", "xn--nxasmm1c.example", id="RFC 5892 2.6: a final sigma is"),
        pytest.param("\uff45\uff58\uff21mple.org", "example.org", id="UTS 46 4: full-width letters"),
        pytest.param("ex\u00adample.org", "example.org", id="UTS 46 4: a soft hyphen is nothing"),
        pytest.param("💩.example", "xn--ls8h.example", id="RFC 5892 3 allows no emoji, and they are used"),
        pytest.param("\U000e0080Ä.example", "xn--4ca12954p.example", id="UTS 46 4: what nobody has assigned yet"),
        pytest.param("ü" * 64 + ".example", "ü" * 64 + ".example", id="RFC 1035 2.3.4: too long for a label"),
        pytest.param("\udcfcber.example", "\udcfcber.example", id="a byte that is no UTF-8"),
        pytest.param("[192.0.2.1]", "[192.0.2.1]", id="an address literal"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_domain_is_written_as_dns_knows_it(domain: str, known: str) -> None:
    assert ascii_domain(domain) == known


@given(st.text(max_size=80) | st.text("aAßẞςΣ.\u3002ü\u0308\udcff", max_size=80))
def test_a_domain_that_dns_knows_stays(domain: str) -> None:
    known = ascii_domain(domain).removesuffix(".")
    assert known.removesuffix(".") == ascii_domain(known)
    assert all(label.isascii() or len(label) > 63 or "\udcff" in label for label in known.split("."))
