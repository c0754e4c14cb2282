"""Fetches what a verdict needs, keeps what was learned, and tells the log: the only place that waits.

One engine serves all sessions of a worker, from as many threads as libmilter has. A transaction belongs to one session
and is never used by two threads at once.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from milter64.address.client import Client
from milter64.checks.all_checks import LOCAL, REMOTE, Check, LocalCheck
from milter64.dns.resolver import Resolver
from milter64.greylist import attempt, row
from milter64.greylist.pair import pair_key
from milter64.judging.background_work import Answered, Background, BackgroundWork
from milter64.judging.check_runner import CheckRunner, domains
from milter64.judging.greylisting import Greylisting
from milter64.judging.known_clients import KnownClients
from milter64.judging.limiting import Limiting
from milter64.judging.outcome import tell_end
from milter64.judging.recipient_evidence import beyond, recipient_evidence, told
from milter64.judging.remembered_findings import RememberedFindings, SharedFindings
from milter64.judging.settings import Settings
from milter64.judging.transaction_state import Transaction
from milter64.limits.memory import USUAL, Shares
from milter64.limits.rates import Rates
from milter64.lists.listed import NO_LISTS, Lists
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Key
from milter64.mail.idna_domain import ascii_domain
from milter64.mail.session import Envelope
from milter64.policy.decision import EXEMPT, NOTHING, Ask, Evidence, Verdict, decide, names_group, weigh
from milter64.policy.exemptions import Exemptions
from milter64.policy.smtp_reply import Reply, one_at_a_time, reply
from milter64.store.interface import Store
from milter64.telemetry.log import Telemetry


class Engine:
    """Judges recipients."""

    def __init__(  # noqa: PLR0913  all that judging takes
        self,
        settings: Settings,
        resolver: Resolver,
        store: Store[row.Record],
        telemetry: Telemetry,
        on_wait: Callable[[], None] = lambda: None,
        *,
        checks: Mapping[Key, Check] = REMOTE,
        local: Sequence[LocalCheck] = LOCAL,
        lists: Lists = NO_LISTS,
        rates: Rates | None = None,
        row_time: Callable[[], float] | None = None,
        background: Background | None = None,
        memory: Shares = USUAL,
        findings: SharedFindings | None = None,
    ) -> None:
        """Take over resolver and store; `close` ends them. `on_wait` is called before a verdict waits.

        `checks` are those that take DNS, and `local` those that don't; `lists` has who is let in or kept out by hand,
        `rates` how much is too much. `row_time` is by what the greylist's rows go, in the place of the store's own
        time; `background` does what nobody waits for, in the place of threads of its own. `memory` bounds what is kept,
        `findings` are where other workers keep them, too.
        """
        self._tally = telemetry.tally
        self._settings = settings
        self._policy = settings.policy
        self._exempt = Exemptions(settings.trust)
        self._greylist = Greylisting(settings.greylist, store, row_time)
        self.row_time = self._greylist.now
        """The time by which the greylist's rows go, in seconds since 1970; to be called."""
        self._telemetry = telemetry
        self._lists = lists
        self._limiting = Limiting(rates, judge_private=settings.trust.judge_private)
        self.counts_refusals = self._limiting.refusals
        """Whether it wants to hear of recipients that the mail server itself refuses."""
        self._findings = RememberedFindings(resolver, findings)
        self._checks = CheckRunner(
            resolver,
            self._findings,
            lambda where: telemetry.exception("fault", where=where),
            on_wait,
            checks=checks,
        )
        own_names = frozenset(filter(None, [ascii_domain(settings.own_name)]))
        self._known_clients = KnownClients(
            *(self._policy, own_names, self._findings, self._renew),
            local=local,
            lists=self._lists,
            tally=self._tally,
            capacity=memory.clients,
        )
        self._background = background or BackgroundWork(lambda: telemetry.exception("fault", where="learn"))

    def met(self, client: Client) -> Finding | None:
        """Count a session, and return the limit that it goes beyond, if any; who is spared by his address has none."""
        if not self._limiting or self._exempt.client(client):
            return None
        listed, rules = self._lists.of_client(client), self._policy.rules(client)
        return self._limiting.session(client, weigh({}, rules, listed=listed).spared if listed.findings else NOTHING)

    def begin(self, envelope: Envelope, excess: Finding | None = None) -> Transaction:
        """Return a new transaction, with all that is known about it without asking; `excess` is its session's."""
        if why := self._exempt.envelope(envelope):
            return Transaction(envelope, weigh({EXEMPT: why}, self._policy.rules(envelope.session.client)), why)
        return Transaction(envelope, self._known_clients.evidence(envelope), excess=excess)

    def judge(self, transaction: Transaction, recipient: str, *, readable: bool = True) -> Reply | None:
        """Return what the client is told about a recipient, None if that is nothing but yes.

        One who is not `readable` can't be told: `recipient` is what the client wrote. The verdict on the null sender's
        first recipient is given at end of message, so that other servers' callouts, which name no second one, are not
        hurt. There it is for all: who would be accepted beside somebody who isn't is to be sent to separately.
        """
        transaction.deadline = None
        evidence, excess = recipient_evidence(transaction, recipient, self._lists, readable=readable), None
        if self._limiting:
            client = transaction.envelope.session.client
            excess = self._limiting.recipient(client, evidence.spared, transaction.excess)
        put_off = transaction.envelope.null and not transaction.recipients and readable
        if excess or not put_off:
            verdict = self._judge(transaction, recipient, evidence, excess, readable=readable)
            if put_off and excess not in verdict.because:  # it turned out to be spared
                transaction.put_off = verdict
            elif answer := self._answer(transaction, recipient, verdict) or self._beside(transaction, recipient):
                return answer
        transaction.recipients.append(recipient)
        return None

    def refused_elsewhere(self, transaction: Transaction, status: str) -> None:
        """Count a recipient that the mail server itself has refused, if for good, as its status says (RFC 3463)."""
        if status.startswith("5"):
            self._limiting.refused(transaction.envelope.session.client, transaction.evidence.spared)

    def end(self, transaction: Transaction) -> Reply | None:
        """Judge at end of message what was put off until then, and ask what the header still lacks."""
        transaction.deadline = None
        if transaction.envelope.null and transaction.recipients:
            first = transaction.recipients[0]
            if answer := self._answer(transaction, first, self._put_off(transaction)):
                return answer
        if self._settings.header and transaction.envelope.readable and not transaction.exempt:
            owed = [key for key in transaction.evidence.unanswered if key in self._settings.header]
            self._ask(transaction, owed, Action.REJECT)
        return None

    def accepted(self, transaction: Transaction, queue_id: str) -> None:
        """Log that the mail server has the message."""
        if transaction.passed:
            self._greylist.credit(transaction.envelope, transaction.known, transaction.passed)
        tell_end(self._telemetry, transaction, queue_id)

    def abandoned(self, transaction: Transaction) -> None:
        """Log that recipients were accepted, and no message came."""
        tell_end(self._telemetry, transaction)

    def remembered(self, transaction: Transaction) -> Mapping[Key, float]:
        """Return for how many seconds the findings of a transaction will be recalled, those alone that will be."""
        return self._findings.lasting(transaction.envelope, transaction.known)

    def bounds(self) -> Mapping[str, tuple[int, int]]:
        """Return how much is in each cache and queue, and how much may be."""
        caches = {"familiar": self._known_clients.bound, "findings": self._findings.bound}
        queues = {**self._checks.bounds(), "learning_queue": self._background.bound()}
        return {**self._telemetry.bounds(), **caches, **queues, **self._limiting.bounds()}

    def close(self) -> None:
        """Write what is left to write."""
        self._checks.close()
        self._background.close()
        self._greylist.close()

    def _put_off(self, transaction: Transaction) -> Verdict:
        """Return the verdict on the null sender's first recipient."""
        if not transaction.put_off:
            first = transaction.recipients[0]
            evidence = recipient_evidence(transaction, first, self._lists, readable=True)
            transaction.put_off = self._judge(transaction, first, evidence)
        return transaction.put_off

    def _beside(self, transaction: Transaction, recipient: str) -> Reply | None:
        """Put off a recipient of the null sender who is accepted, and would lose the message with the first one."""
        if not transaction.envelope.null or not transaction.recipients:
            return None
        first = self._put_off(transaction)
        if first.action is Action.ACCEPT or self._settings.observe:
            return None
        verdict = Verdict(action=Action.TEMPFAIL, because=first.because, standing=first.standing)
        return self._refuse(transaction, recipient, verdict, one_at_a_time(transaction.envelope.session.token))

    def _answer(self, transaction: Transaction, recipient: str, verdict: Verdict) -> Reply | None:
        """Return the reply that a verdict means, None for yes."""
        transaction.verdicts.append(verdict)
        if answer := reply(verdict, transaction.envelope):
            return self._refuse(transaction, recipient, verdict, answer)
        transaction.acceptance = verdict
        if verdict.standing and (verdict.standing.rows or verdict.standing.state is attempt.State.WAVED):
            transaction.passed.append(recipient)
        return None

    def _refuse(self, transaction: Transaction, recipient: str, verdict: Verdict, answer: Reply) -> Reply | None:
        """Log a refusal and return its reply, unless we only observe."""
        if verdict.blames or verdict.excess:
            self._greylist.discredit(transaction.envelope, transaction.known, verdict.excess)
        if verdict.action is Action.REJECT:
            self._limiting.refused(transaction.envelope.session.client, transaction.evidence.spared)
        if self._settings.observe:
            transaction.observed.append((recipient, verdict, answer))
            return None
        known, took = told(transaction, verdict), transaction.seconds
        self._telemetry.refused(transaction.envelope, [recipient], known, verdict, answer, seconds=took)
        return answer

    def _judge(
        self,
        transaction: Transaction,
        recipient: str,
        evidence: Evidence,
        excess: Finding | None = None,
        *,
        readable: bool = True,
    ) -> Verdict:
        """Decide on one recipient, fetch what that takes, and keep the rows that it moves.

        `evidence` is the recipient's, and `excess` the limit that is used up.
        """
        started, envelope = time.monotonic(), transaction.envelope
        pair, now = pair_key(envelope.sender, recipient), self._greylist.now()
        evidence, standing = beyond(evidence, excess), None
        while not isinstance(step := decide(evidence, standing), Verdict):
            if isinstance(step, Ask):
                passed = standing is not None and standing.state is attempt.State.PASSED
                worst = Action.GREYLIST if passed else Action.ACCEPT
                self._ask(transaction, step.keys, worst, at_once=passed)
                evidence = recipient_evidence(transaction, recipient, self._lists, readable=readable)
                evidence = beyond(evidence, excess)
            else:
                proven_by = None if names_group(evidence) else evidence.known
                standing = self._greylist.standing(envelope, pair, now, proven_by)
        if step.standing:
            self._greylist.keep(pair, step.standing, now)
            if self._tally:
                self._tally.attempted(envelope.session.client.origin, step.standing)
            if step.action is Action.GREYLIST and not step.standing.settled:
                self._learn(envelope, evidence, pair, now)
        transaction.seconds += time.monotonic() - started
        return step

    def _ask(self, transaction: Transaction, keys: Sequence[Key], worst: Action, *, at_once: bool = False) -> None:
        """Ask checks that take DNS, within what is left of the transaction's deadline.

        An answer that has run out lately may serve if it leads to no more than `worst`, and is renewed behind the
        reply: see `CheckRunner.answers`. A pair that has passed is served `at_once`. A late answer that speaks for the
        client, or would have him greylisted, changes nothing for it; one that refuses him counts from the next on.
        """
        if not keys:
            return
        if transaction.deadline is None:
            transaction.deadline = time.monotonic() + self._settings.deadline
        envelope, before = transaction.envelope, transaction.evidence

        def serves(finding: Finding) -> bool:
            return before.rules.serves(finding, worst)

        patient = worst is not Action.REJECT  # what the header alone lacks is no reason to wait in a line
        findings, lookups, late = self._checks.answers(
            envelope, keys, transaction.deadline, serves, at_once=at_once, patient=patient
        )
        unasked = (*before.unasked, *[key for key in keys if key not in findings])
        transaction.lookups |= lookups
        known = {**before.known, **findings}
        transaction.evidence = weigh(known, before.rules, unasked, self._lists.of_sender(envelope, known))
        if late:
            self._renew(envelope, late, 0.0)

    def _learn(self, envelope: Envelope, evidence: Evidence, pair: str, now: float) -> None:
        """Look up, behind the reply, which groups the client belongs to, and enrol them under the attempt's own time.

        So the retry may come from another address of the pool, over the other IP family or through the translator.
        """

        def learn(answered: Answered) -> None:
            deadline = time.monotonic() + self._settings.deadline
            found = self._checks.ask_in_turn(envelope, keys, deadline, answered=answered)
            standing = self._greylist.standing(envelope, pair, now, {**evidence.known, **found})
            self._greylist.keep(pair, standing, now)

        keys = names_group(evidence)
        self._background.put(envelope.session.client, domains(envelope, keys), learn)

    def _renew(self, envelope: Envelope, keys: Sequence[Key], seconds: float) -> None:
        """Ask anew, behind everything, what has `seconds` left of being known, of a client that comes often."""

        def renew(answered: Answered) -> None:
            deadline = time.monotonic() + self._settings.deadline
            self._checks.ask_in_turn(envelope, keys, deadline, seconds, answered=answered)

        client, helo = envelope.session.client, envelope.session.helo
        self._background.put(client, domains(envelope, keys), renew, (client.address, helo, envelope.sender, *keys))
