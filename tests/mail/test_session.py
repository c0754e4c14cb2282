import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.translator import Translator
from milter64.mail.session import Envelope, Session, split


def envelope(sender: str, helo: str | None) -> Envelope:
    session = Session(token="t", client=Translator().client("192.0.2.1"), port=25, helo=helo, mta="mx.example.org")
    return Envelope(session=session, sender=sender, login="")


@pytest.mark.parametrize(
    ("address", "local", "domain"),
    [
        pytest.param("user@example.org", "user", "example.org", id="plain"),
        pytest.param("User@Example.ORG.", "User", "example.org", id="RFC 5321 2.4: only the domain ignores case"),
        pytest.param('"a@b"@example.org', '"a@b"', "example.org", id="the last at sign divides"),
        pytest.param("user@Bücher。example", "user", "xn--bcher-kva.example", id="RFC 6531 3.3: U-labels"),
        pytest.param("user@[192.0.2.1]", "user", "[192.0.2.1]", id="an address literal"),
        pytest.param("postmaster", "postmaster", "", id="a bare local part"),
        pytest.param("Example.ORG.", "Example.ORG.", "", id="a bare local part that looks like a domain"),
        pytest.param("@example.org", "", "example.org", id="no local part"),
        pytest.param("user@", "user", "", id="no domain"),
        pytest.param("", "", "", id="the null sender"),
    ],
)
def test_an_address_splits_into_local_part_and_domain(address: str, local: str, domain: str) -> None:
    assert split(address) == (local, domain)


@given(st.text(), st.text(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda char: char not in "@.")))
def test_no_local_part_is_too_strange_to_be_split_off(local: str, domain: str) -> None:
    assert split(f"{local}@{domain}") == (local, domain.lower())


@pytest.mark.parametrize(
    ("sender", "helo", "identity"),
    [
        pytest.param("user@example.org", "mail.example.org", "user@example.org", id="RFC 7208 2.4: the sender"),
        pytest.param("", "mail.example.org", "postmaster@mail.example.org", id="RFC 7208 2.4: the null sender"),
        pytest.param("", None, "postmaster@", id="the null sender without a HELO"),
    ],
)
def test_spf_judges_the_sender_and_for_the_null_sender_postmaster_at_helo(
    sender: str, helo: str | None, identity: str
) -> None:
    assert envelope(sender, helo).identity == identity
