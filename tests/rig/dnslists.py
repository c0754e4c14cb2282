"""A nameserver with DNS lists (RFC 5782) that work, and that go wrong on order; the rest of it is a `DnsServer`.

with ListServer({"bl.example": DnsList({"10.2.0.192": ["127.0.0.2"]})}) as server:
    server.lists["bl.example"].everybody = "127.0.0.2"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dns.message
import dns.name

from rig.dnsserver import DnsServer, Fault, Value

_TWO = ".".join(reversed(bytes.fromhex("00000000000000000000ffff7f000002").hex()))


NOTHING = Fault(0)


def _tests() -> dict[str, list[str]]:
    return {"2.0.0.127": ["127.0.0.2"], _TWO: ["127.0.0.2"], "test": ["127.0.0.2"]}


@dataclass
class DnsList:
    """A list: what it has by the name before the zone's; `everybody` is the answer about whatever else there is."""

    listed: Mapping[str, Iterable[str]] = field(default_factory=dict)
    tests: Mapping[str, Iterable[str]] = field(default_factory=_tests)
    everybody: str = ""
    fault: Fault = NOTHING


class ListServer(DnsServer):
    """A server with lists by zone, which may be changed while it runs."""

    def __init__(self, lists: Mapping[str, DnsList] | None = None) -> None:
        super().__init__()
        self.lists = dict(lists or {})

    def asked(self, zone: str) -> list[str]:
        """Return what has been asked of a list, in order."""
        return [name.removesuffix(f".{zone}") for name, _ in self.queries if name.endswith(f".{zone}")]

    def _at(self, name: dns.name.Name, rdtype: str) -> list[Value]:
        label, found = self._list(name)
        records = super()._at(name, rdtype)
        if not found or records:
            return records
        values = found.listed.get(label) or found.tests.get(label) or filter(None, [found.everybody])
        return list(values) if rdtype == "A" else []

    def _take(self, query: dns.message.Message) -> Fault:
        _, found = self._list(query.question[0].name)
        return super()._take(query) | (found.fault if found else NOTHING)

    def _list(self, name: dns.name.Name) -> tuple[str, DnsList | None]:
        text = name.to_text(omit_final_dot=True).lower()
        for zone, found in sorted(self.lists.items(), key=lambda each: -len(each[0])):
            if text.endswith(f".{zone}"):
                return text.removesuffix(f".{zone}"), found
        return "", None
