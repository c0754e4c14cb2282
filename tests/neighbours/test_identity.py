"""Who is judged is who is delivered, however addresses are spelled: milter64 behind a real Sendmail."""

import re

import pytest

from rig.identity import SETTINGS, Delivered, attempts, differences
from rig.lab import Lab
from rig.network import Namespace
from rig.port53 import Dns, give_dns_address
from rig.sendmail import Sendmail
from rig.service import Milter64
from rig.sink import Received, sink
from rig.smtp import Smtp
from rig.spellings import spellings
from rig.world import HONEST, ZONES

SEED = 1
LINES = """
INPUT_MAIL_FILTER(`milter64', `S={socket}, F=T')dnl
FEATURE(`promiscuous_relay')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {port}')dnl
"""
"""Take all, and hand all on to one host, by which it can be seen whom it is delivered to."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_who_is_judged_is_who_sendmail_delivers() -> None:
    with Namespace() as network, sink(network) as server, Lab() as lab:
        give_dns_address(network)
        network.run("ip", "address", "add", f"{HONEST}/32", "dev", "lo")
        store = lab.folder / "rows.sqlite"
        dns = lab.start(Dns, ZONES, network=network)
        milter = lab.start(Milter64, SETTINGS.format(store=store, dns=dns.server), network=network)
        sendmail = lab.start(Sendmail, milter=LINES.format(socket=milter.socket, port=server.port), network=network)

        def connect() -> Smtp:
            client = Smtp("127.0.0.1", sendmail.port, network=network, source=HONEST)
            client.ehlo("mail.honest.example")
            return client

        tried = attempts(connect, spellings("x.example", 1500, SEED), spellings("lab.example", 1500, SEED))
        taken = {attempt.token for attempt in tried if attempt.taken}
        sendmail.deliver()
        delivered = {found.token: found for found in map(_delivered, server.received)}
        assert delivered.keys() >= taken
        # A recipient without a domain is a mailbox of Sendmail's own, whose name is for nobody else to read.
        named = {token for token in taken if re.search(r"@[^\s@\"]+>$", delivered[token].recipient)}
        compared = [attempt for attempt in tried if attempt.token in named]
        assert differences(compared, milter, store, delivered) == []
        assert len(compared) > 800


def _delivered(message: Received) -> Delivered:
    header = re.sub(r"\r\n[ \t]+", " ", message.header)
    results = " ".join(re.findall(r"(?m)^Authentication-Results: mx\.lab\.example;.*$", header))
    sender = re.sub(r"> [A-Z0-9= ]*$", ">", message.sender)
    return Delivered(sender=sender, recipient=message.recipient, results=results)
