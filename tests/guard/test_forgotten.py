"""What was found while a DNS64 was believed: the guard has it forgotten with the answers."""

import time
from contextlib import closing

from milter64.checks.iprev import reverse_name
from milter64.judging.check_runner import CheckRunner
from milter64.judging.known_clients import KnownClients
from milter64.judging.remembered_findings import RememberedFindings
from rig.dnsserver import DnsServer
from rig.envelopes import envelope
from rig.watched import INVENTED, Watched

IPREV = ("iprev", "policy.iprev")
ENVELOPE = envelope("2001:db8:64::c01f:c40a", "host.example", "a@example.org")
RECORDS = {**INVENTED, reverse_name(ENVELOPE.session.client.packed): {"PTR": ["host.example"]}}


def test_a_finding_that_rests_on_an_invented_record_ends_when_the_prefix_is_learned() -> None:
    with DnsServer(RECORDS) as server:
        watched = Watched(server)
        memory = RememberedFindings(watched.resolver)
        with closing(CheckRunner(watched.resolver, memory, lambda _: None, lambda: None)) as runner:
            clients = KnownClients(watched.settings.policy(), frozenset(), memory, lambda *_: None)
            runner.ask(ENVELOPE, [IPREV], time.monotonic() + 10)
            assert clients.evidence(ENVELOPE).known[IPREV].result == "pass"
            watched.ask()
            assert IPREV not in clients.evidence(ENVELOPE).known
            assert memory.recall(ENVELOPE, [IPREV], expired=True)[0] == {}
            runner.ask(ENVELOPE, [IPREV], time.monotonic() + 10)
            assert clients.evidence(ENVELOPE).known[IPREV].result == "fail"
