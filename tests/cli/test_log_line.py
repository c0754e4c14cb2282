import pytest

from milter64.cli import log_line
from milter64.cli.log_line import LogLine
from rig.envelopes import envelope
from rig.loglines import FORMATS, KNOWN, REPLY, WAIT, Format, Stream, telemetry_to

CLIENT = "64:ff9b::c01f:c40a"
ENDS = "; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<h.example>"
ALL = LogLine(client=CLIENT, helo="h.example", sender="a@b.example", recipients=("c@d.example",))
POSTFIXS = {
    f"postfix/smtpd[123]: connect from unknown[{CLIENT}]": LogLine(client=CLIENT),
    f"Nov 28 10:00:00 mx postfix/smtpd[123]: connect from unknown[{CLIENT}]:40000": LogLine(client=CLIENT),
    f"postfix/smtpd[123]: disconnect from mail.h.example[{CLIENT}] ehlo=1 quit=1 commands=2": LogLine(client=CLIENT),
    f"postfix/smtpd[123]: lost connection after RCPT from unknown[{CLIENT}]": LogLine(client=CLIENT),
    f"postfix/smtpd[123]: 4cLm2B1: client=unknown[{CLIENT}]": LogLine(client=CLIENT),
    f"postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[{CLIENT}]: 450 4.7.1 <c@d.example>: no{ENDS}": ALL,
    f"postfix/smtpd[1]: NOQUEUE: milter-reject: RCPT from unknown[{CLIENT}]:40000: 550 5.7.23 SPF fail{ENDS}": ALL,
    f"NOQUEUE: reject: RCPT from unknown[{CLIENT}]: 450 4.7.1 x{ENDS} sasl_method=PLAIN sasl_username=u": ALL,
    f"2026-11-28T10:00:00+01:00 10.0.0.1 in/smtpd[1]: NOQUEUE: reject: RCPT from unknown[{CLIENT}]: 450 x{ENDS}": ALL,
    f"NOQUEUE: reject: RCPT from unknown[{CLIENT}]: 450 4.7.1\n  wrapped{ENDS.replace(' to=', chr(10) + '  to=')}": ALL,
    f"4cLm2B1: milter-reject: END-OF-MESSAGE from unknown[{CLIENT}]: 5.7.1 x{ENDS}": ALL,
    f"postfix/cleanup[1]: 4cLm2B1: warning: header Subject: hi; from x[9.9.9.9] from unknown[{CLIENT}]{ENDS}": ALL,
    f"NOQUEUE: reject: MAIL from unknown[{CLIENT}]: 552 5.3.4 x; from=<a@b.example> proto=SMTP helo=<h>": LogLine(
        client=CLIENT, helo="h", sender="a@b.example"
    ),
    f"NOQUEUE: reject: RCPT from unknown[{CLIENT}]: 450 x; from=<> to=<c@d.example> proto=SMTP": LogLine(
        client=CLIENT, sender="", recipients=("c@d.example",)
    ),
    f"postfix/postscreen[9]: CONNECT from [{CLIENT}]:40000 to [2001:db8::25]:25": LogLine(client=CLIENT),
    f"postfix/postscreen[9]: PASS NEW [{CLIENT}]:40000": LogLine(client=CLIENT),
    f"postfix/postscreen[9]: DENYLISTED [{CLIENT}]:40000": LogLine(client=CLIENT),
    f"postfix/postscreen[9]: DNSBL rank 3 for [{CLIENT}]:40000": LogLine(client=CLIENT),
    f"postfix/postscreen[9]: PREGREET 11 after 0.1 from [{CLIENT}]:4: EHLO x[9.9.9.9]\\r\\n": LogLine(client=CLIENT),
    f"postfix/postscreen[9]: NOQUEUE: reject: RCPT from [{CLIENT}]:4: 550 5.7.1 x; client [{CLIENT}] blocked"
    f"{ENDS.replace(' to', ', to').replace(' proto', ', proto').replace(' helo', ', helo')}": ALL,
    # What strangers choose
    f"NOQUEUE: reject: RCPT from unknown[{CLIENT}]: 550 5.7.23 from x[9.9.9.9]; from=<f@g> to=<h@i>{ENDS}": ALL,
    f"NOQUEUE: reject: RCPT from unknown[{CLIENT}]: 450 x; from=<a@b> to=<c@d> helo=<x[9.9.9.9]>": LogLine(
        client=CLIENT, helo="x[9.9.9.9]", sender="a@b", recipients=("c@d",)
    ),
    f'RCPT from unknown[{CLIENT}]: 450 x; from=<"time=1 level=info event=x wire=9.9.9.9"@b> to=<c@d>': LogLine(
        client=CLIENT, sender='"time=1 level=info event=x wire=9.9.9.9"@b', recipients=("c@d",)
    ),
}


@pytest.mark.parametrize(("line", "read"), POSTFIXS.items())
def test_a_line_of_postfix_says_who_sends_what_to_whom(line: str, read: LogLine) -> None:
    assert log_line.read(line) == read


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("before", ["", "Nov 28 10:00:00 mx milter64[123]: ", "milter64-1  | "])
def test_our_own_line_says_so_in_both_formats(layout: Format, before: str) -> None:
    sent = envelope("64:ff9b::c01f:c40a", "h.example", '"x wire=9.9.9.9 to=<y> \\" "@b.example')
    telemetry_to(stderr := Stream(), layout=layout).refused(
        sent, ["c@d.example", '"e>,<f"@g.example'], KNOWN, WAIT, REPLY, seconds=0
    )
    read = LogLine(
        client=CLIENT,
        helo="h.example",
        sender=sent.sender,
        recipients=("c@d.example", '"e>,<f"@g.example'),
        ours=True,
    )
    assert log_line.read(before + stderr.getvalue()) == read


def test_a_line_of_ours_that_was_cut_or_names_nobody_says_what_it_says() -> None:
    line = f'time=1 level=info event=rejected session=1 client=192.31.196.10 wire={CLIENT} helo="" from=<> because="x'
    assert log_line.read(f"{line} wire=9.9.9.9 helo=y") == LogLine(client=CLIENT, sender="", ours=True)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "mx.example.org",
        "postfix/qmgr[1]: 4cLm2B1: from=<a@b>, size=1, nrcpt=1 (queue active)",
        "postfix/smtp[1]: 4cLm2B1: to=<a@b>, relay=mx.b[192.0.2.1]:25, (host mx.b[192.0.2.1] said: from x[9.9.9.9])",
        "postfix/smtp[1]: connect to mx.b[192.0.2.1]:25: Connection refused",
        "postfix/smtpd[123]: connect from unknown[unknown]",
        "time=1 level=info event=stopped",
        "time=1 level=info event=accepted client= wire= from=<a@b>",
        '{"time": 1, "client": 7}',
        '{"time": 1, ',
        "{}",
    ],
)
def test_a_line_that_names_no_client_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is not an IP address, nor a line of a log that names a client"):
        log_line.read(line)
