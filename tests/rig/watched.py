"""A guard by itself, that is told when to look, and whose log is a list."""

from collections.abc import Iterable
from typing import Any

from milter64.address.client import Origin
from milter64.config.load_file import parse
from milter64.discover.dns64_prefix import NAME
from milter64.dns.resolver import Resolver
from milter64.guard.guard import Guard
from milter64.guard.masking_gateway import MANY
from milter64.guard.shared_by_workers import SharedNotes
from milter64.mail.session import Envelope, Session
from rig.dnsserver import DnsServer

INVENTED = {
    NAME: {"AAAA": ["2001:db8:64::c000:aa", "2001:db8:64::c000:ab"]},
    "host.example": {"AAAA": ["2001:db8:64::c01f:c40a"]},
}


class Log:
    """Keeps warnings instead of writing them."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))

    exception = warning

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


class Watched:
    """A guard that is told when to look, with all that it works with."""

    def __init__(
        self,
        server: DnsServer,
        settings: str = "",
        store: str = "memory:",
        shared: SharedNotes | None = None,
        others: Iterable[DnsServer] = (),
    ) -> None:
        """Ask `server` and `others`; `shared` is shared with other guards if it is given."""
        nameservers = [each.address for each in (server, *others)]
        text = f'{settings}\n[dns]\nnameservers = {nameservers}\ntimeout = "300ms"\n[greylist]\nstore = "{store}"\n'
        self.settings, problems = parse(text)
        assert not problems
        self.log = Log()
        self.translator = self.settings.translator()
        self.resolver = Resolver(self.settings.dns, self.translator)
        log: Any = self.log
        self.guard = Guard(self.settings, self.translator, log, shared or SharedNotes())

    def hear(self, address: str, helo: str = "h.example", domain: str = "d.example", *, login: str = "") -> None:
        client = self.translator.client(address)
        session = Session(token="T", client=client, port=0, helo=helo, mta="mx.example")
        self.guard.notice(Envelope(session=session, sender=f"a@{domain}", login=login))

    def crowd(self, address: str, numbers: Iterable[int] = range(MANY), *, login: str = "") -> None:
        for n in numbers:
            self.hear(address, f"h{n}.example", f"d{n}.example", login=login)

    @property
    def waiting(self) -> int:
        """How many envelopes wait to be looked at."""
        return self.guard._recent.qsize()  # noqa: SLF001  nobody else wants to know

    def look(self, now: float) -> None:
        self.guard._look(now)  # noqa: SLF001  what its thread does every second

    def ask(self) -> None:
        self.guard._ask()  # noqa: SLF001  what its thread does every hour

    @property
    def next_question(self) -> float:
        """When it asks next."""
        return self.guard._ask_at  # noqa: SLF001  as its thread does

    def write(self) -> None:
        self.guard._write()  # noqa: SLF001  what its thread does in time

    def origin(self, address: str) -> Origin:
        return self.translator.client(address).origin
