"""More clients at once than any day brings."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from rig.direct import Message, judges_rightly
from rig.dnsserver import DnsServer
from rig.lab import Lab
from rig.service import Milter64
from rig.stage import MEMORY
from rig.world import HONEST, RECORDS, STRANGER, behind

CROWD = 200


def test_two_hundred_connections_at_once_all_get_their_answers(lab: Lab) -> None:
    with DnsServer(RECORDS) as dns:
        milter = lab.start(Milter64, f'{MEMORY}\n[dns]\nnameservers = ["{dns.address}"]\n')
        together = Barrier(CROWD)

        def send(number: int) -> str:
            message = Message(address=behind(HONEST), recipient=f"n{number}@lab.example")
            if number % 2:
                message = replace(message, address=behind(STRANGER), helo="stranger.example")
            together.wait()
            reply = message.send(milter)
            return reply.text[:9] or reply.action

        with ThreadPoolExecutor(CROWD) as pool:
            first, second = (list(pool.map(send, range(CROWD))) for _ in range(2))
        # While DNS is asked for the first time, whoever comes after the 32 that may wait for it is put off.
        assert set(first[::2]) <= {"continue", "451 4.3.2"}
        assert set(first[1::2]) <= {"550 5.7.2", "451 4.3.2"}
        assert second == ["continue", "550 5.7.2"] * (CROWD // 2)
        assert judges_rightly(milter)
