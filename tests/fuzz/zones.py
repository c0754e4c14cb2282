"""A DNS in which some zones are a stranger's: what is said about them is wrong in all ways that chance finds."""

import socket
from random import Random
from threading import Lock

import dns.message

from fuzz.mutation import flipped, mutated
from rig.dnsserver import DnsServer, Fault, Records, Value

STRANGE = "fuzz.example"
"""Below it every name has records that follow from the name and a seed."""

_TERMS = [
    *(b"+all", b"-all", b"~all", b"?all", b"a", b"mx", b"ptr", b"a:1.fuzz.example", b"mx//0", b"a/8"),
    *(b"ip4:192.31.196.0/24", b"ip4:192.31.196.10", b"ip6:2001:db8::/32", b"ip6:64:ff9b::/96", b"ip4:0.0.0.0/0"),
    *(b"include:1.fuzz.example", b"include:%{d}", b"exists:%{ir}.%{v}._spf.%{d2}", b"exists:%{l1r-}.%{o}", b"ptr:%{p}"),
    *(b"redirect=2.fuzz.example", b"redirect=%{h}", b"exp=why.fuzz.example", b"exp=%{S}", b"x=%{i}", b"a:%{s}/8"),
]


class StrangeDns(DnsServer):
    """Answers rightly about `records`, and in any way, or not at all, about what is below `STRANGE`."""

    def __init__(self, records: Records, seed: int) -> None:
        super().__init__(records)
        self._seed = seed
        self._chance = Random(seed)
        self._lock = Lock()

    def handle_datagram(self, wire: bytes, sock: socket.socket, client: tuple[str, int]) -> None:
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        if not name.endswith(f".{STRANGE}"):
            super().handle_datagram(wire, sock, client)
            return
        with self._lock:
            self.records[name] = _records(Random(f"{self._seed} {name}"))
            reply = self.answer(query, Fault(0)).to_wire(max_size=65535)
            del self.records[name]
            doom = self._chance.random()
            if doom < 0.3:
                reply = flipped(reply, self._chance)
        if doom < 0.998:
            sock.sendto(reply, client)


def _records(chance: Random) -> dict[str, list[Value]]:
    terms = [mutated(term, chance) if chance.random() < 0.3 else term for term in chance.choices(_TERMS, k=6)]
    record = b" ".join([b"v=spf1", *terms])
    text = mutated(record, chance) if chance.random() < 0.2 else record
    return {
        "TXT": [text, b"v=spf1"] if chance.random() < 0.05 else [text],
        "A": ["192.31.196.10"] if chance.random() < 0.5 else [],
        "AAAA": ["64:ff9b::c01f:c40a", "2001:db8::1"] if chance.random() < 0.5 else [],
        "MX": [(number, f"{number}.{STRANGE}") for number in range(chance.choice((0, 1, 3, 12)))],
        "PTR": [f"{number}.{STRANGE}" for number in range(chance.choice((0, 1, 12)))],
    }
