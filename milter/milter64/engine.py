"""Fetches what a verdict needs, keeps what was learned, and tells the log: the only place that waits.

One engine serves all sessions of a worker, from as many threads as libmilter has. A transaction belongs to one session
and is never used by two threads at once.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from operator import attrgetter

from milter64 import greylist, groups
from milter64.address import Origin
from milter64.backlog import Backlog
from milter64.config import Settings
from milter64.dns import Resolver
from milter64.familiar import Familiar
from milter64.inquiry import Inquiry
from milter64.policy import EXEMPT, Evidence, Rules, Trust, Verdict, decide, wanted, weigh
from milter64.reply import reply
from milter64.session import Envelope, split
from milter64.store import Store, StoreGone
from milter64.telemetry import Telemetry
from milter64.transaction import Transaction
from milter64.verdict import Action, Finding, Findings, Key, Need, Reply

_HOSTS = 4096
"""Addresses of which it is kept ready whether they are trusted."""
_EXPIRE_EVERY = 3600.0
"""Seconds of row time between two looks for rows that say nothing any more."""


class RowClock:
    """Row time: wall time taken at start, no earlier than the store's latest row, advanced by CLOCK_BOOTTIME."""

    def __init__(self, latest: float | None) -> None:
        """Begin now or at `latest`, whichever is later. A clock that is stepped forgives and delays nobody."""
        self._offset = max(time.time(), latest or 0.0) - time.clock_gettime(time.CLOCK_BOOTTIME)

    def __call__(self) -> float:
        """Return seconds since 1970."""
        return self._offset + time.clock_gettime(time.CLOCK_BOOTTIME)


class Engine:
    """Judges recipients."""

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver,
        store: Store[greylist.Record],
        telemetry: Telemetry,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        """Take over resolver and store; `close` ends them. `on_wait` is called before a verdict waits."""
        self._tally = telemetry.tally
        self._settings = settings
        self._policy = settings.policy()
        self._exempt_host = lru_cache(_HOSTS)(partial(_exempt_host, settings.trust))
        self._store = store
        self._telemetry = telemetry
        self._inquiry = Inquiry(resolver, lambda where: telemetry.exception("fault", where=where), on_wait, self._tally)
        own_names = frozenset(filter(None, [settings.authserv_id.lower()]))
        self._familiar = Familiar(self._policy, own_names, self._inquiry, self._renew)
        self._now = RowClock(store.latest())
        self._expire_at = self._now()
        self._backlog = Backlog(lambda: telemetry.exception("fault", where="learn"))

    def begin(self, envelope: Envelope) -> Transaction:
        """Return a new transaction, with all that is known about it without asking."""
        if exempt := self._exempt(envelope):
            return Transaction(envelope, weigh({EXEMPT: exempt}, self._rules(envelope)), exempt)
        return Transaction(envelope, self._familiar.evidence(envelope))

    def judge(self, transaction: Transaction, recipient: str) -> Reply | None:
        """Return what the client is told about a recipient, None if that is nothing but yes.

        The null sender's verdict is given at end of message, so that other servers' callouts are not hurt.
        """
        transaction.deadline = None
        if transaction.envelope.sender and (answer := self._answer(transaction, [recipient])):
            return answer
        transaction.recipients.append(recipient)
        return None

    def end(self, transaction: Transaction) -> Reply | None:
        """Judge at end of message what was put off until then, and ask what the header still lacks."""
        transaction.deadline = None
        if not transaction.envelope.sender and (answer := self._answer(transaction, transaction.recipients)):
            return answer
        headers = self._settings.headers
        if not transaction.exempt and (headers.authentication_results or headers.received_spf):
            self._ask(transaction, transaction.evidence.unanswered)
        return None

    def accepted(self, transaction: Transaction, queue_id: str) -> None:
        """Log that the mail server has the message."""
        self._telemetry.accepted(
            transaction.envelope,
            transaction.recipients,
            transaction.known,
            transaction.acceptance,
            queue_id=queue_id,
            seconds=transaction.seconds,
        )

    def abandoned(self, transaction: Transaction) -> None:
        """Log that recipients were accepted, and no message came."""
        if transaction.recipients:
            known, took = transaction.known, transaction.seconds
            self._telemetry.abandoned(transaction.envelope, transaction.recipients, known, seconds=took)

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return how much is in each cache and queue, and how much may be."""
        own = {"familiar": self._familiar.bound, "learning_queue": self._backlog.bound()}
        return {**self._telemetry.bounds(), **self._inquiry.bounds(), **own}

    def close(self) -> None:
        """Write what is left to write."""
        self._inquiry.close()
        self._backlog.close()
        self._store.close()

    def _exempt(self, envelope: Envelope) -> Finding | None:
        """Return why a client is not judged: trust comes from the address on the wire, never from a decoded one.

        A gateway's address is nobody's to be trusted by, be it 127.0.0.1.
        """
        client = envelope.session.client
        if client.origin is not Origin.MASKED and (exempt := self._exempt_host(client.wire_packed)):
            return exempt
        if envelope.login and self._settings.trust.authenticated:
            return _exemption("authenticated", "it has authenticated")
        return None

    def _rules(self, envelope: Envelope, *, greylisting: bool = True) -> Rules:
        return self._policy.rules(envelope.session.client, greylisting=greylisting)

    def _evidence(self, transaction: Transaction, recipient: str) -> Evidence:
        """Return what is known of the transaction, as it weighs for this recipient."""
        if not transaction.exempt:
            if exempt := _postmaster(recipient):
                return weigh({EXEMPT: exempt}, transaction.evidence.rules)
            if self._settings.greylist.skips(recipient):
                return weigh(transaction.known, self._rules(transaction.envelope, greylisting=False))
        return transaction.evidence

    def _answer(self, transaction: Transaction, recipients: Sequence[str]) -> Reply | None:
        """Judge recipients together, log a refusal and return its reply, unless we only observe.

        Together they get the mildest of their verdicts: a message at its end passes if one recipient's does.
        """
        started = time.monotonic()
        verdict = self._judge(transaction, recipients[0])
        for recipient in recipients[1:]:
            verdict = min(verdict, self._judge(transaction, recipient), key=_ACTION)
        transaction.seconds += time.monotonic() - started
        transaction.verdicts.append(verdict)
        answer = reply(verdict, transaction.envelope)
        if not answer:
            transaction.acceptance = verdict
            return None
        observe = self._settings.mode == "observe"
        self._telemetry.refused(
            transaction.envelope,
            recipients,
            transaction.known,
            verdict,
            answer,
            seconds=transaction.seconds,
            observe=observe,
        )
        return None if observe else answer

    def _judge(self, transaction: Transaction, recipient: str) -> Verdict:
        """Decide on one recipient, fetch what that takes, and keep the rows that it moves."""
        envelope, evidence = transaction.envelope, self._evidence(transaction, recipient)
        pair, now = groups.pair(envelope.sender, recipient), self._now()
        standing = None
        while isinstance(step := decide(evidence, standing), Need):
            if step is Need.DNS:
                self._ask(transaction, wanted(evidence, standing), pair)
                evidence = self._evidence(transaction, recipient)
            else:
                standing = self._attempt(envelope, evidence.known, pair, now, complete=not evidence.unanswered)
        if step.standing:
            self._keep(pair, step.standing, now)
            if self._tally:
                self._tally.attempted(envelope.session.client.origin, step.standing)
            if step.action is Action.GREYLIST and not step.standing.complete:
                self._learn(envelope, evidence, pair, now)
        return step

    def _ask(self, transaction: Transaction, keys: Sequence[Key], pair: str = "") -> None:
        """Ask checks that take DNS, within what is left of the transaction's deadline.

        For a pair that has passed, an expired finding serves while DNS doesn't answer (as RFC 8767 has it for DNS).
        """
        if not keys:
            return
        if transaction.deadline is None:
            transaction.deadline = time.monotonic() + self._settings.dns.deadline
        envelope, before = transaction.envelope, transaction.evidence
        findings, lookups = self._inquiry.ask(envelope, keys, transaction.deadline)
        known = {**before.known, **findings}
        transaction.lookups |= lookups
        lost = [key for key, finding in findings.items() if finding.result == "temperror"]
        if lost and pair and (served := self._inquiry.recall(envelope, lost, expired=True)[0]):
            standing = self._attempt(envelope, known, pair, self._now(), complete=False)
            if standing.state is greylist.State.PASSED:
                known |= served
        transaction.evidence = weigh(known, before.rules)
        self._familiar.forget(envelope)

    def _attempt(
        self, envelope: Envelope, known: Findings, pair: str, now: float, *, complete: bool
    ) -> greylist.Standing:
        """Return where an attempt at `now` stands with the greylist; `complete` says that DNS has no more to add."""
        settings, client = self._settings.greylist, envelope.session.client
        try:
            rows = self._store.read(pair)
        except StoreGone:
            return greylist.unkept()
        network = f"net:{client.network(settings.ipv4_prefix, settings.ipv6_prefix)}"
        standing = greylist.attempt(rows, network, None, now, settings)
        if standing.complete or not complete:
            return standing
        return greylist.attempt(rows, network, groups.groups(client, envelope.sender, known), now, settings)

    def _keep(self, pair: str, standing: greylist.Standing, now: float) -> None:
        """Write the rows that an attempt has moved, and now and then have those forgotten that have run out."""
        if standing.rows:
            self._store.merge(pair, standing.rows)
        if now >= self._expire_at:
            self._expire_at = now + _EXPIRE_EVERY
            self._store.expire(now)

    def _learn(self, envelope: Envelope, evidence: Evidence, pair: str, now: float) -> None:
        """Look up, behind the reply, which groups the client belongs to, and enrol them under the attempt's own time.

        So the retry may come from another address of the pool, over the other IP family or through the translator.
        """

        def learn() -> None:
            deadline = time.monotonic() + self._settings.dns.deadline
            learned = {**evidence.known, **self._inquiry.ask_in_turn(envelope, evidence.unanswered, deadline)}
            self._familiar.forget(envelope)
            self._keep(pair, self._attempt(envelope, learned, pair, now, complete=True), now)

        self._backlog.put(learn)

    def _renew(self, envelope: Envelope, keys: Iterable[Key], seconds: float) -> None:
        """Ask anew, behind everything, what has `seconds` left of being known, of a client that comes often."""

        def renew() -> None:
            self._inquiry.ask_in_turn(envelope, keys, time.monotonic() + self._settings.dns.deadline, seconds)
            self._familiar.forget(envelope)

        self._backlog.put(renew)


_ACTION = attrgetter("action")


def _exempt_host(trust: Trust, wire: bytes) -> Finding | None:
    if wire in trust.networks:
        return _exemption("trusted", "its address is in trust.networks")
    if wire in trust.relays:
        return _exemption("relay", "its address is in trust.relays")
    return None


def _exemption(result: str, reason: str) -> Finding:
    return Finding(check=EXEMPT[0], property=EXEMPT[1], result=result, reason=reason)


def _postmaster(recipient: str) -> Finding | None:
    """Return why a recipient must always be reachable (RFC 5321 4.5.1, RFC 2142), if so."""
    if recipient[:10].lower() != "postmaster" and recipient[:6].lower() != "abuse@":  # most, and cheaper than a split
        return None
    local, domain = split(recipient)
    if local.lower() == "postmaster" or (domain and local.lower() == "abuse"):
        return _exemption("postmaster", "postmaster and abuse can always be reached")
    return None
