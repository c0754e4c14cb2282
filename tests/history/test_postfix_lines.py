"""Postfix's lines: what counts is read where Postfix puts it, and no stranger's text is taken for Postfix's."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.history.line_times import LineTimes
from milter64.history.postfix_lines import Came, Delivered, PostfixLines, Queued, Refused, Said, Silent

HEAD = "2026-11-29T02:15:18Z mx postfix/"
AT = 1795918518.0


def read(*lines: str) -> tuple[Sequence[Said], PostfixLines]:
    """Return what lines say, and who has read them."""
    reader = PostfixLines(LineTimes(0))
    block = "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
    return list(reader.of([block])), reader


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "smtpd[7]: 4bXyZ1: client=mail.honest.example[192.31.196.10]",
            Came(AT, b"4bXyZ1", b"mail.honest.example", b"192.31.196.10", b""),
        ),
        (
            "submission/smtpd[7]: A1B2: client=unknown[64:ff9b::c01f:c40a]:40000, sasl_method=PLAIN, sasl_username=joe",
            Came(AT, b"A1B2", b"unknown", b"64:ff9b::c01f:c40a", b"joe"),
        ),
        (
            "qmgr[8]: 4bXyZ1: from=<joe@honest.example>, size=812, nrcpt=2 (queue active)",
            Queued(AT, b"4bXyZ1", b"joe@honest.example", 2),
        ),
        ("qmgr[8]: 4bXyZ1: from=<>, size=812, nrcpt=1 (queue active)", Queued(AT, b"4bXyZ1", b"", 1)),
        (
            'qmgr[8]: 4bXyZ1: from=<"a>, size=1, nrcpt=9 "@honest.example>, size=812, nrcpt=1 (queue active)',
            Queued(AT, b"4bXyZ1", b'"a>, size=1, nrcpt=9 "@honest.example', 1),
        ),
        (
            "lmtp[9]: 4bXyZ1: to=<you@example.org>, relay=mx[private/lmtp], delay=0.1, dsn=2.0.0, status=sent (250 ok)",
            Delivered(AT, b"4bXyZ1", b"you@example.org", b"you@example.org"),
        ),
        (
            "local[9]: 4bXyZ1: to=<you@mx.example.org>, orig_to=<info@example.org>, relay=local, delay=0.1",
            Delivered(AT, b"4bXyZ1", b"you@mx.example.org", b"info@example.org"),
        ),
        (
            (
                "smtpd[7]: NOQUEUE: milter-reject: RCPT from unknown[64:ff9b::c01f:c428]: 550 5.7.23 fail (milter64 d);"
                " from=<joe@honest.example> to=<you@example.org> proto=ESMTP helo=<nowhere.example>"
            ),
            Refused(
                *(AT, b"NOQUEUE", b"smtpd", True, b"RCPT", b"unknown", b"64:ff9b::c01f:c428"),
                *(b"550 5.7.23 fail (milter64 d)", b"joe@honest.example", b"you@example.org", b"nowhere.example"),
            ),
        ),
        (
            (
                "postscreen[7]: NOQUEUE: reject: RCPT from [192.31.196.10]:4000: 550 5.7.1 Service unavailable;"
                " from=<joe@honest.example>, to=<you@example.org>, proto=ESMTP, helo=<x.example>"
            ),
            Refused(
                *(AT, b"NOQUEUE", b"postscreen", False, b"RCPT", b"", b"192.31.196.10"),
                *(b"550 5.7.1 Service unavailable", b"joe@honest.example", b"you@example.org", b"x.example"),
            ),
        ),
        (
            (
                "cleanup[7]: 4bXyZ1: milter-reject: END-OF-MESSAGE from unknown[192.31.196.10]: 5.7.1 Command rejected;"
                " from=<> to=<you@example.org> proto=ESMTP helo=<x.example>"
            ),
            Refused(
                *(AT, b"4bXyZ1", b"cleanup", True, b"END-OF-MESSAGE", b"unknown", b"192.31.196.10"),
                *(b"5.7.1 Command rejected", b"", b"you@example.org", b"x.example"),
            ),
        ),
        (
            "smtpd[7]: NOQUEUE: reject: CONNECT from unknown[192.31.196.10]: 554 5.7.1 no; proto=SMTP",
            Refused(
                *(AT, b"NOQUEUE", b"smtpd", False, b"CONNECT", b"unknown", b"192.31.196.10"),
                *(b"554 5.7.1 no; proto=SMTP", b"", None, b""),
            ),
        ),
        ("smtpd[7]: disconnect from unknown[192.31.196.10] ehlo=1 auth=0/1 commands=1/2", Silent(AT)),
    ],
)
def test_a_line_that_counts_is_read(line: str, said: Said) -> None:
    assert read(HEAD + line)[0] == [said]


@pytest.mark.parametrize(
    "line",
    [
        HEAD + "smtpd[7]: connect from mail.honest.example[192.31.196.10]",
        HEAD + "smtpd[7]: disconnect from unknown[192.31.196.10] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
        HEAD + "cleanup[7]: 4bXyZ1: message-id=<postfix/smtpd[7]: 4bXyZ1: client=evil.example[192.31.196.10]>",
        HEAD + "qmgr[7]: 4bXyZ1: removed",
        HEAD
        + "smtpd[7]: warning: 2026-11-29T02:15:18Z mx postfix/smtpd[7]: 4bXyZ1: client=evil.example[192.31.196.10]",
        "2026-11-29T02:15:18Z mx dovecot: postfix/smtpd[7]: 4bXyZ1: client=evil.example[192.31.196.10]",
        "postfix/smtpd[7]: 4bXyZ1: client=evil.example[192.31.196.10]",
        "",
    ],
)
def test_no_other_line_is_read(line: str) -> None:
    said, reader = read(line)
    assert (list(said), reader.read, reader.unreadable) == ([], 0, 0)


def test_what_came_by_another_way_than_smtp_is_no_client_of_a_milter() -> None:
    reader = PostfixLines(LineTimes(0.0))
    line = b"Nov 28 00:00:00 mx postfix/qmqpd[7]: 4bX: client=localhost[127.0.0.1]\n"
    assert list(reader.of([line])) == []
    assert len(list(reader.of([line.replace(b"qmqpd", b"smtpd")]))) == 1


def test_a_line_without_a_possible_time_is_counted_as_unreadable() -> None:
    said, reader = read("Foo 29 02:15:18 mx postfix/smtpd[7]: 4bXyZ1: client=mail.honest.example[192.31.196.10]")
    assert (list(said), reader.read, reader.unreadable) == ([], 0, 1)


def test_each_block_is_read_from_its_first_line_to_its_last() -> None:
    block = f"{HEAD}smtpd[7]: A: client=a[192.31.196.10]\n{HEAD}smtpd[7]: B: client=b[192.31.196.10]\n".encode()
    said = PostfixLines(LineTimes(0)).of([block, block])
    assert [line.queue for line in said if isinstance(line, Came)] == [b"A", b"B", b"A", b"B"]


_PARTS = [
    "; from=<",
    "> to=<",
    "> proto=ESMTP helo=<",
    ">",
    "<",
    '"',
    "\\",
    " sasl_username=<root>",
    "x@y.example",
    " ",
]
TEXT = st.lists(
    st.one_of(st.sampled_from(_PARTS), st.characters(min_codepoint=32, max_codepoint=126)), max_size=12
).map("".join)
"""What a stranger may say, as it is in the log: Postfix makes control characters question marks."""


@st.composite
def mailboxes(draw: st.DrawFn) -> str:
    """An address as Postfix writes it, its local part in quotes where it isn't plain."""
    local = draw(TEXT)
    if local.isalnum():
        return f"{local}@honest.example"
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@honest.example'


@given(sender=mailboxes(), recipient=mailboxes(), helo=TEXT, quoted=st.integers(0, 2))
def test_what_strangers_say_is_read_as_they_said_it_or_not_at_all(
    sender: str, recipient: str, helo: str, quoted: int
) -> None:
    reply = f"450 4.7.1 <{(sender, recipient, helo)[quoted]}>: Recipient address rejected: Greylisted"
    line = f"NOQUEUE: reject: RCPT from unknown[192.31.196.10]: {reply}; from=<{sender}> to=<{recipient}> proto=ESMTP"
    said, reader = read(f"{HEAD}smtpd[7]: {line} helo=<{helo}>")
    assert len(said) + reader.unreadable == 1
    for refused in said:
        assert isinstance(refused, Refused)
        assert (refused.name, refused.address, refused.reply) == (b"unknown", b"192.31.196.10", reply.encode())
        assert (refused.sender, refused.recipient) == (sender.encode(), recipient.encode())
        assert refused.helo == helo.encode()
