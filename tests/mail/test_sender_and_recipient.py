import re
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.mail import sender_and_recipient
from milter64.mail.sender_and_recipient import read, read_sender, refusal
from milter64.mail.session import split

OURS = [
    ("<user@example.org>", "user@example.org", "RFC 5321 4.1.2: a path has brackets"),
    ("user@example.org", "user@example.org", "some clients leave them out"),
    ("<>", "", "RFC 5321 4.5.5: the null sender"),
    ("<@relay.example:user@example.org>", "user@example.org", "RFC 5321 4.1.1.3: a source route means nothing"),
    ("<@a.example,@b.example:user@example.org>", "user@example.org", "a source route of two"),
    ("<User@Example.ORG>", "User@example.org", "RFC 5321 2.4: only the domain ignores case"),
    ("<user@example.org.>", "user@example.org", "a final dot says nothing"),
    ("<user@[192.0.2.1]>", "user@[192.0.2.1]", "RFC 5321 4.1.3: an address literal"),
    ("<a%b@example.org>", "a%b@example.org", "RFC 5321 4.1.2: atext"),
    ('<"user"@example.org>', "user@example.org", "RFC 5321 4.1.2: quotes that say nothing"),
    ('<"us\\er"@example.org>', "user@example.org", "a quoted pair that says nothing"),
    ('<"a b"@example.org>', '"a b"@example.org', "quotes that are needed"),
    ('<"<a:b>@c"@example.org>', '"<a:b>@c"@example.org', "what divides, quoted"),
    ('<"a\\"b\\\\"@example.org>', '"a\\"b\\\\"@example.org', "quoted pairs that are needed"),
    ('<""@example.org>', '""@example.org', "an empty local part"),
    ("<postmaster>", "postmaster", "RFC 5321 4.5.1: bare postmaster"),
    ("<PostMaster>", "PostMaster", "in whatever case"),
    ("<a@x_y.example>", "a@x_y.example", "hosts with an underscore do send mail"),
    ("<jürgen@example.org>", "jürgen@example.org", "RFC 6531 3.3: a local part beyond ASCII"),
    ("<a@MÜLLER.example>", "a@xn--mller-kva.example", "RFC 6531 3.3: a U-label"),
    ("<a@straße.example>", "a@xn--strae-oqa.example", "RFC 5891: ß is a letter of its own"),
    ("<a@x\u3002example>", "a@x.example", "RFC 3490 3.1: an ideographic full stop divides labels"),
]


@pytest.mark.parametrize(("path", "mailbox"), [pytest.param(*case[:2], id=case[2]) for case in OURS])
def test_a_path_of_the_rfcs_is_read_by_ourselves_where_the_mail_server_agrees_or_says_nothing(
    path: str, mailbox: str
) -> None:
    macro = mailbox if path.isascii() else path.strip("<>")
    assert {read(path.encode(), each) for each in (None, macro, macro.upper())} == {mailbox}


@pytest.mark.parametrize(
    ("path", "macro", "mailbox"),
    [
        pytest.param(
            "<STRASSE@STRAßE.example>", "strasse@strasse.example", "STRASSE@xn--strae-oqa.example", id="sharp s"
        ),
        pytest.param(
            "<\u03c3\u03c2@x.example>", "\u03c3\u03c3@x.example", "\u03c3\u03c2@x.example", id="a final sigma"
        ),
        pytest.param("<\u212a@\u212a.example>", "k@k.example", "\u212a@k.example", id="the sign of Kelvin"),
    ],
)
def test_what_postfix_folds_is_read_as_it_was_written(path: str, macro: str, mailbox: str) -> None:
    assert read(path.encode(), macro) == mailbox


@pytest.mark.parametrize(
    ("path", "macro", "mailbox"),
    [
        ("< >", "", ""),
        ("<(nobody)>", "", ""),
        ("<user@example.org>", "", ""),
        ("<user@example.org>;", "user@example.org", "user@example.org"),
        ("< user@example.org >", "user@example.org", "user@example.org"),
        ("<user(me)@example.org>", "user@example.org", "user@example.org"),
        ("<Bob <user@example.org>>", "user@example.org", "user@example.org"),
        ("<user@example.org><bob@example.net>", "bob@example.net", "bob@example.net"),
        ("<User(me)@Example.ORG>", "user@example.org", "User@example.org"),
        ('"A\\"B(me)"@Example.ORG;', '"a\\"b(me)"@example.org', '"A\\"B(me)"@example.org'),
        ("<example.org!user>", "user@example.org", "user@example.org"),
        ("<a@b@example.org>", '"a@b"@example.org', '"a@b"@example.org'),
        ("<a..b@example.org>", '"a..b"@example.org', '"a..b"@example.org'),
        ("<a..b@example.org>", "a..b@example.org", '"a..b"@example.org'),  # Sendmail's
        ("<a\\b@example.org>", "a\\b@example.org", '"a\\\\b"@example.org'),
        ("<@example.org>", '""@example.org', '""@example.org'),
        ("<user>", "user@lab.example", "user@lab.example"),
        ("<postmaster>", "postmaster@lab.example", "postmaster@lab.example"),
        ("<user@lab.example>", "user", "user@lab.example"),  # Sendmail's, of a mailbox of its own
        ("<info@lab.example>", "joe", "info@lab.example"),
        ("user@lab.example ", "user", "user"),
    ],
)
def test_where_the_two_differ_the_mail_servers_reading_counts(path: str, macro: str, mailbox: str) -> None:
    assert read(path.encode(), macro) == mailbox


@pytest.mark.parametrize(
    ("path", "macro"),
    [
        ("< >", None),
        ("<user>", None),
        ("<@example.org>", None),
        ("<user@example.org>;", None),
        ("<a..b@example.org>", None),
        ("<user@example..org>", None),
        ("<us\ner@example.org>", None),
        ("", None),
        ("<user@example.org>", "user@exa mple.org"),
        ("<a%b@example.org>", "a@b"),
        ("<user@example.org@>", "user@example.org"),
        ('<"user@example.org">', "user@example.org"),  # Sendmail delivers as "user@example.org"@mx.example.org
        ('<user@"example.org">', "user@example.org"),
        ("<example.org!user@>", "user@example.org"),
        ("<user@example. org@>", "user@example.org"),
        ("<(USER)user@example.org>", "user@example.org"),  # in which case?
        ("<Us(me)er@example.org>", "user@example.org"),
        ("< user@straße.example>", "user@strasse.example"),
        ("< user@\u212a.example>", "user@k.example"),
        ("<user@straße.example>", "user@example.org"),
    ],
)
def test_who_can_be_told_by_neither_is_told_by_nobody(path: str, macro: str | None) -> None:
    assert read(path.encode(), macro) is None


@pytest.mark.parametrize(
    ("path", "macro", "sender"),
    [
        ("<user@example.org>", "user@example.org", "user@example.org"),
        ("<>", "", ""),
        ("<user>", "user", None),
        ('<"a@b">', '"a@b"', None),
        ("<postmaster>", None, None),
    ],
)
def test_a_sender_has_a_domain(path: str, macro: str | None, sender: str | None) -> None:
    assert read_sender(path.encode(), macro) == sender


@pytest.mark.parametrize("macro", [None, "?"])
def test_what_is_not_utf_8_is_told_by_nobody(macro: str | None) -> None:
    assert read(b"<\xfcser@example.org>", macro) is None


LOCAL_PARTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


@given(LOCAL_PARTS)
def test_a_local_part_means_the_same_quoted_as_it_needs_and_quoted_throughout(local: str) -> None:
    throughout = "".join(f"\\{char}" for char in local)
    mailbox = read(f'<"{throughout}"@example.org>'.encode(), None)
    assert mailbox is not None
    assert read(f"<{mailbox}>".encode(), None) == mailbox
    if not mailbox.startswith('"'):
        assert mailbox == f"{local}@example.org"


@given(st.binary(), st.one_of(st.none(), st.text()))
def test_no_argument_is_too_strange_to_be_told_or_not(argument: bytes, macro: str | None) -> None:
    mailbox = read(argument, macro)
    assert mailbox is None or split(mailbox)[1].isascii()


@given(st.from_regex(sender_and_recipient._PLAIN, fullmatch=True))  # noqa: SLF001
def test_what_nearly_everybody_writes_is_read_in_less_time_and_not_otherwise(argument: bytes) -> None:
    macro = argument[1:-1].decode()
    swift = sender_and_recipient._read(argument, macro)  # noqa: SLF001
    with patch.object(sender_and_recipient, "_PLAIN", re.compile(rb"(?!)")):
        assert swift == sender_and_recipient._read(argument, macro) == macro  # noqa: SLF001


@pytest.mark.parametrize(
    ("mailer", "host", "status"),
    [
        ("error", "5.1.1", "5.1.1"),
        ("error", "4.7.1", "4.7.1"),
        ("error", "", "5.0.0"),
        ("error", "5.1.1 moved away", ""),
        ("error", "lab.example", ""),
        ("smtp", "", ""),
        ("", "", ""),
    ],
)
def test_a_recipient_whom_the_mail_server_refuses_is_told_from_others(mailer: str, host: str, status: str) -> None:
    assert refusal(mailer, host) == status
