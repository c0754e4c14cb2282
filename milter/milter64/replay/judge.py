"""Has the engine judge what a log says, at the log's own times, with a greylist that is empty at first.

What the log can't tell counts for nothing: of accepted messages it has no HELO name, so a second engine judges these,
for which no HELO name leads to anything. Where DNS isn't asked, Postfix's own word stands in for reverse DNS.
"""

import os
from collections.abc import Callable, Hashable, Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import lru_cache, partial

from milter64.address.client import Client
from milter64.checks import dns_list
from milter64.checks.all_checks import LOCAL, REMOTE
from milter64.config.settings import BY_DNS, Settings
from milter64.greylist.row import RecordKind
from milter64.judging.background_work import Task
from milter64.judging.engine import Engine
from milter64.limits.rate_table import RateTable
from milter64.limits.rates import Rates
from milter64.lists.listed import Lists
from milter64.mail import sender_and_recipient
from milter64.mail.finding import Finding
from milter64.mail.idna_domain import ascii_domain, shown_domain
from milter64.mail.session import Envelope, Session
from milter64.replay import reverse_dns
from milter64.replay.answers import KeptResolver
from milter64.replay.outcomes import Outcomes
from milter64.replay.past_rows import PastRows
from milter64.replay.traffic import Attempt

_REMEMBERED = 4096
"""Mailboxes, and names, that are read once."""
_TOKEN = "replay"  # noqa: S105  a session's name, and no secret


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

    def __init__(self, settings: Settings, resolver: KeptResolver, lists: Lists, tell: Outcomes, *, asks: bool) -> None:
        """Tell outcomes to `tell`; unless it `asks`, no DNS is needed."""
        self.settings = settings if asks else without_dns(settings)
        self.mta = os.uname().nodename
        self.own_names = frozenset(filter(None, [ascii_domain(settings.authserv_id)]))
        self.rows = PastRows(RecordKind(settings.greylist))
        self._translator = settings.translator()
        self._tell = tell
        self._resolver = resolver
        self._asks = asks
        self._now = 0.0
        self._name = b""
        """What Postfix calls the client who is judged."""
        self._policy = self.settings.policy()
        self._by_postfix = lru_cache(_REMEMBERED)(partial(reverse_dns.by_postfix, settings.iprev))
        checks, local = REMOTE, LOCAL
        if asks:
            checks = {**REMOTE, **dns_list.checks(settings.dnslist, resolver, settings.dns.timeout, lambda *_: None)}
        else:
            local = (*LOCAL, self._iprev)
        clock: Callable[[], float] = lambda: self._now  # noqa: E731  it is handed on
        rates = Rates(settings.rate, RateTable(clock=clock)) if settings.rate else None
        self._stack = ExitStack()

        def engine(settings: Settings) -> Engine:
            judging = replace(settings.judging(), observe=False, header=frozenset())
            return self._stack.enter_context(
                closing(
                    Engine(
                        judging,
                        resolver,
                        self.rows,
                        tell,
                        checks=checks,
                        local=local,
                        lists=lists,
                        rates=rates,
                        row_time=clock,
                        background=AtOnce(),
                    )
                )
            )

        self._engine = engine(self.settings)
        self._engine_without_helo = engine(without_helo(self.settings))

    def close(self) -> None:
        """Let go of everything."""
        self._stack.close()

    def client(self, address: bytes) -> Client:
        """Return who calls from an address."""
        return self._translator.client(address.decode(errors="replace"))

    def judge(self, attempt: Attempt) -> None:
        """Judge an attempt, and tell what would have become of it."""
        self._now = self._tell.at = self.rows.now = attempt.at
        self._name = attempt.name
        self._tell.told.clear()
        if not self._asks:
            self._resolver.forget()  # what Postfix found of a client before says nothing
        engine = self._engine_without_helo if attempt.helo is None else self._engine
        session = Session(
            token=_TOKEN,
            client=self.client(attempt.address),
            port=0,
            helo=None if attempt.helo is None else greeting(attempt.helo),
            mta=self.mta,
        )
        read = sender(attempt.sender)
        written = _text(attempt.sender) if read is None else read
        login, readable = attempt.login.decode(errors="replace"), read is not None
        transaction = engine.begin(Envelope(session=session, sender=written, login=login, readable=readable))
        for recipient in attempt.recipients:
            to = mailbox(recipient)
            if to is None:
                engine.judge(transaction, _text(recipient), readable=False)
            else:
                engine.judge(transaction, to)
        if transaction.recipients and engine.end(transaction) is None:
            engine.accepted(transaction, attempt.queue.decode())

    def iprev(self, client: Client, name: bytes) -> Finding | None:
        """Return what Postfix's name for a client stands for, None where nobody would ask for one."""
        if _IPREV not in self._policy.rules(client).asked:
            return None
        return self._by_postfix(name, client.origin)

    def _iprev(self, envelope: Envelope, _own_names: frozenset[str]) -> Finding | None:
        return self.iprev(envelope.session.client, self._name)


def greeting(helo: bytes) -> str:
    """Return a HELO name as a session has it."""
    return shown_domain(_text(helo))


@lru_cache(_REMEMBERED)
def sender(written: bytes) -> str | None:
    """Return a sender out of the log, None if it can't be told for sure."""
    return sender_and_recipient.read_sender(b"<" + written + b">", _text(written))


@lru_cache(_REMEMBERED)
def mailbox(written: bytes) -> str | None:
    """Return a recipient out of the log, None if it can't be told for sure."""
    return sender_and_recipient.read(b"<" + written + b">", _text(written))


def _text(written: bytes) -> str:
    return written.decode(errors="surrogateescape")


def without_dns(settings: Settings) -> Settings:
    """Return settings by which nothing is asked but whether an address has a name, which the log tells."""
    local = {result: action for result, action in settings.helo.actions.items() if result not in BY_DNS[_HELO]}
    return replace(
        settings, spf=replace(settings.spf, enabled=False), helo=replace(settings.helo, actions=local), dnslist=()
    )


_HELO, _IPREV = ("helo", "smtp.helo"), ("iprev", "policy.iprev")


def without_helo(settings: Settings) -> Settings:
    """Return settings by which nothing follows from the HELO name."""
    return replace(settings, helo=replace(settings.helo, actions={}), spf=replace(settings.spf, helo_actions={}))
