"""Has the engine judge what a log says, at the log's own times, with a greylist that is empty at first.

What the log can't tell counts for nothing: of accepted messages it has no HELO name, so a second engine judges these,
for which no HELO name leads to anything. Where DNS isn't asked, Postfix's own word stands in for reverse DNS.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from milter64.address.client import Client, Origin
from milter64.checks import dns_list, iprev
from milter64.checks.all_checks import REMOTE, Check
from milter64.config.settings import BY_DNS, Settings
from milter64.dns.lookup import Lookup
from milter64.dns.resolver import Resolver
from milter64.greylist.row import RecordKind
from milter64.judging.background_work import Task
from milter64.judging.engine import Engine
from milter64.limits.rate_table import RateTable
from milter64.limits.rates import Rates
from milter64.lists.listed import Lists
from milter64.mail import sender_and_recipient
from milter64.mail.action import Action
from milter64.mail.finding import Finding
from milter64.mail.idna_domain import shown_domain
from milter64.mail.session import Envelope, Session
from milter64.replay.outcomes import Outcomes
from milter64.replay.traffic import Attempt
from milter64.store.memory_store import MemoryStore

_TOKEN = "replay"  # noqa: S105  a session's name, and no secret
_NOBODY = "unknown"
"""What Postfix calls a client whose address has no name that leads back to it."""
_BY_LOOKUP = frozenset({Origin.IPV4, Origin.IPV6, Origin.MAPPED})
"""The origins of clients whose address on the wire, which Postfix has looked up, is their own."""


class AtOnce:
    """Does what nobody waits for at once, so that the next attempt finds it done."""

    def put(self, client: Client, domains: Iterable[str], task: Task, name: Hashable = None) -> None:  # noqa: ARG002  as others take
        """Do a task."""
        task(lambda _: None)

    def bound(self) -> tuple[int, int]:
        """Return that nothing is due."""
        return 0, 0

    def close(self) -> None:
        """Do nothing."""


class Judge:
    """Judges attempts in the order of the log; for one thread, and to be closed."""

    def __init__(self, settings: Settings, resolver: Resolver, lists: Lists, tell: Outcomes, *, asks: bool) -> None:
        """Tell outcomes to `tell`; unless it `asks`, no DNS is needed."""
        self._settings = settings
        self._translator = settings.translator()
        self._tell = tell
        self._now = 0.0
        self._attempt: Attempt | None = None
        self._mta = os.uname().nodename
        checks: Mapping[tuple[str, str], Check] = {**REMOTE, (iprev.NAME, iprev.PROPERTY): self._iprev}
        if asks:
            checks = {**REMOTE, **dns_list.checks(settings.dnslist, resolver, settings.dns.timeout, lambda *_: None)}
        else:
            settings = without_dns(settings)
        clock: Callable[[], float] = lambda: self._now  # noqa: E731  it is handed on
        store = MemoryStore(RecordKind(settings.greylist))
        rates = Rates(settings.rate, RateTable(clock=clock)) if settings.rate else None
        self._stack = ExitStack()

        def engine(settings: Settings) -> Engine:
            judging = replace(settings.judging(), observe=False, header=frozenset())
            return self._stack.enter_context(
                closing(
                    Engine(
                        judging,
                        resolver,
                        store,
                        tell,
                        checks=checks,
                        lists=lists,
                        rates=rates,
                        row_time=clock,
                        background=AtOnce(),
                    )
                )
            )

        self._engine = engine(settings)
        self._engine_without_helo = engine(without_helo(settings))

    def close(self) -> None:
        """Let go of everything."""
        self._stack.close()

    def judge(self, attempt: Attempt) -> None:
        """Judge an attempt, and tell what would have become of it."""
        self._attempt, self._now, self._tell.at = attempt, attempt.at, attempt.at
        engine = self._engine_without_helo if attempt.helo is None else self._engine
        sender = sender_and_recipient.read_sender(*_words(attempt.sender))
        session = Session(
            token=_TOKEN,
            client=self._translator.client(attempt.address),
            port=0,
            helo=attempt.helo and shown_domain(attempt.helo),
            mta=self._mta,
        )
        readable = sender is not None
        written = attempt.sender.decode(errors="surrogateescape") if sender is None else sender
        transaction = engine.begin(Envelope(session=session, sender=written, login=attempt.login, readable=readable))
        for recipient in attempt.recipients:
            mailbox = sender_and_recipient.read(*_words(recipient))
            if mailbox is None:
                engine.judge(transaction, recipient.decode(errors="surrogateescape"), readable=False)
            else:
                engine.judge(transaction, mailbox)
        if transaction.recipients and engine.end(transaction) is None:
            engine.accepted(transaction, attempt.queue)

    def _iprev(self, envelope: Envelope, lookup: Lookup) -> Finding:  # noqa: ARG002  nothing is asked
        """Return what Postfix's own look at a client's name says of it: nothing where it looked up a translator's."""
        name = self._attempt.name if self._attempt else ""
        if envelope.session.client.origin not in _BY_LOOKUP or not name:
            return _finding("unknown", "the log doesn't tell")
        if name != _NOBODY:
            return _finding("pass", name, ("name", name))
        return _finding(mildest(self._settings.iprev, envelope.session.client.origin), "Postfix has found no name")


def mildest(settings: iprev.Settings, origin: Origin) -> str:
    """Return which result, of those that Postfix calls "unknown", leads to the least."""
    special = settings.ipv6_actions if origin is Origin.IPV6 else None
    actions = settings.actions if special is None else special
    return min(("fail", "permerror", "temperror"), key=lambda result: actions.get(result, Action.ACCEPT))


def _finding(result: str, reason: str, *facts: tuple[str, str]) -> Finding:
    return Finding(check=iprev.NAME, property=iprev.PROPERTY, result=result, reason=reason, facts=facts)


def _words(mailbox: bytes) -> tuple[bytes, str]:
    """Return what stands in the log as what the client wrote, and as what Postfix made of it."""
    return b"<" + mailbox + b">", mailbox.decode(errors="surrogateescape")


def without_dns(settings: Settings) -> Settings:
    """Return settings by which nothing is asked but whether an address has a name, which the log tells."""
    local = {result: action for result, action in settings.helo.actions.items() if result not in BY_DNS[_HELO]}
    return replace(
        settings, spf=replace(settings.spf, enabled=False), helo=replace(settings.helo, actions=local), dnslist=()
    )


_HELO = ("helo", "smtp.helo")


def without_helo(settings: Settings) -> Settings:
    """Return settings by which nothing follows from the HELO name."""
    return replace(settings, helo=replace(settings.helo, actions={}), spf=replace(settings.spf, helo_actions={}))
