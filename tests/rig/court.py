"""An engine in a test of its own: real policy, checks, greylist and memory; DNS is a dictionary, and the log a list."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from milter64.checks import dns_list
from milter64.checks.all_checks import REMOTE
from milter64.config.list_sources import admin_lists
from milter64.config.load_file import parse
from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.judging.engine import Engine
from milter64.judging.transaction_state import Transaction
from milter64.limits.rate_table import RateTable
from milter64.limits.rates import Rates
from milter64.lists.listed import Lists
from milter64.store.interface import StoreGone
from milter64.store.memory_store import MemoryStore
from milter64.telemetry.metrics import Tally
from rig.envelopes import envelope
from rig.records import Records, zone

HONEST, STRANGER = "192.31.196.10", "192.31.196.40"
ZONE = zone(f"""
    honest.example TXT v=spf1 ip4:{HONEST} -all
    soft.example TXT v=spf1 ip4:{HONEST} ~all
    mail.honest.example A {HONEST}
    mail.honest.example TXT v=spf1 a -all
    stranger.example A {STRANGER}
    10.196.31.192.in-addr.arpa PTR mail.honest.example
    40.196.31.192.in-addr.arpa PTR stranger.example
""")
AT_ONCE = '[greylist]\nstore = "memory:"\ndelay = "0s"\n'
PATIENT = '[greylist]\nstore = "memory:"\n'


class Told(list[str]):
    """What the log is told, instead of the log."""

    tally: Tally | None = None

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        return {}

    def __getattr__(self, event: str) -> Any:  # noqa: ANN401  whatever the engine calls
        return lambda *_, **__: self.append(event)


class Gone(MemoryStore[Record]):
    """A store whose file can't be read."""

    def read(self, key: str) -> Mapping[str, Record]:
        raise StoreGone(key)


class Court:
    """An engine, and all that it works with."""

    def __init__(
        self,
        settings: str = AT_ONCE,
        *,
        records: Records | None = None,
        gone: bool = False,
        tally: Tally | None = None,
        lists: Lists | None = None,
    ) -> None:
        self.settings, problems = parse(settings)
        assert not problems
        self.dns = records or Records(ZONE)
        self.told = Told()
        self.told.tally = tally
        self.store = (Gone if gone else MemoryStore)(RecordKind(self.settings.greylist))
        self.engine = Engine(
            self.settings.judging(),
            self.dns,  # type: ignore[arg-type]  # a fake
            self.store,
            self.told,  # type: ignore[arg-type]  # likewise
            lists=lists or admin_lists(self.settings, self.told.append),
            rates=Rates(self.settings.rate, RateTable()) if self.settings.rate else None,
            checks={**REMOTE, **dns_list.checks(self.settings.dnslist, self.dns, 1.0, self._note)},
        )

    def _note(self, name: str, why: str) -> None:
        self.told.append(f"{name}: {why}")

    def begin(
        self,
        address: str = HONEST,
        sender: str = "a@honest.example",
        helo: str = "mail.honest.example",
        login: str = "",
    ) -> Transaction:
        return self.engine.begin(replace(envelope(address, helo, sender), login=login))

    def judge(self, transaction: Transaction, recipient: str = "b@lab.example") -> str:
        reply = self.engine.judge(transaction, recipient)
        return f"{reply.code} {reply.status}" if reply else "yes"

    def end(self, transaction: Transaction) -> str:
        reply = self.engine.end(transaction)
        return f"{reply.code} {reply.status}" if reply else "yes"

    def offer(self, sender: str, recipient: str = "b@lab.example", address: str = STRANGER) -> str:
        return self.judge(self.begin(address, sender, "stranger.example"), recipient)

    def rows(self, sender: str, recipient: str = "b@lab.example") -> Mapping[str, Record]:
        return self.store.read(pair_key(sender, recipient))
