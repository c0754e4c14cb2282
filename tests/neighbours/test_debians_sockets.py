"""OpenDKIM and OpenDMARC as Debian sets them up, beside its chrooted Postfix: docs/neighbours.md has what to do."""

import re
from collections.abc import Iterator

import pytest

from rig.lab import Lab
from rig.mailhost import MailHost
from rig.network import Namespace
from rig.pages import blocks, chapter, page

FOLDERS, NAMES = blocks(chapter(page("neighbours"), "OpenDKIM and OpenDMARC"), "sh")
SETTINGS = """
mode = "observe"
milter.socket = "unix:/var/spool/postfix/milter64/milter64.sock"
greylist.store = "memory:"
"""
STARTED = """
install -d -g postfix -m 2750 /var/spool/postfix/milter64
milter64 run >/run/said 2>&1 &
until grep -q event=ready /run/said; do :; done
for each in opendkim opendmarc; do install -d -o $each -g $each -m 750 /run/$each; done
opendkim
runuser -u opendmarc -- opendmarc
"""
"""What systemd does with the units."""
SENT = """
postconf -M "25/inet=25 inet n - y - - smtpd"
postconf -e mydestination=mx.example.org local_recipient_maps=
swaks --server 127.0.0.1 --helo mx.example.org --from a@mx.example.org --to b@mx.example.org 2>&1 |
    grep '^<' >/run/answers || true
cat /run/answers
"""


@pytest.fixture(scope="module")
def host() -> Iterator[MailHost]:
    with Namespace() as network, Lab() as lab:
        yield MailHost(lab.folder, network=network, settings=SETTINGS)


def answers(host: MailHost, *commands: str) -> list[str]:
    output = host.type("\n".join(commands))[1]
    return re.findall(r"^<\S* +(\d{3}) ", output, flags=re.MULTILINE) or [output]


def test_where_debian_has_them_postfix_reaches_neither_and_puts_mail_off(host: MailHost) -> None:
    at_debians = re.sub(r"unix:(open\w+)/", r"unix:/run/\1/", NAMES)
    assert at_debians.count("/run/") == 3
    assert {"451", "421"}.intersection(answers(host, at_debians, STARTED, SENT)), "421 from 3.10.8 on"


def test_where_the_page_puts_them_postfix_reaches_both(host: MailHost) -> None:
    assert answers(host, FOLDERS, NAMES, STARTED, SENT) == ["220", "250", "250", "250", "354", "250", "221"]
