import gc
import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count

import pytest

from milter64.address.client import Origin
from milter64.judging.known_clients import KnownClients
from milter64.judging.remembered_findings import RememberedFindings, Validity, _number
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from milter64.policy.action_table import Policy
from milter64.policy.decision import Evidence
from milter64.telemetry.metrics import Tally
from rig.court import AT_ONCE, PATIENT, ZONE, Court
from rig.envelopes import envelope
from rig.process import until
from rig.records import Records

SPF, IPREV = ("spf", "smtp.mailfrom"), ("iprev", "policy.iprev")
POLICY = Policy(
    {(*SPF, "fail", Origin.IPV6): Action.REJECT},
    {SPF: frozenset({"pass", "fail"}), IPREV: frozenset({"pass", "fail"})},
)


class Counted(RememberedFindings):
    """Counts what is recalled; `meanwhile` happens while it is."""

    recalls = 0

    def recall(self, envelope: Envelope, keys: Iterable[Key], *, expired: bool = False) -> tuple[Findings, Validity]:
        self.recalls += 1
        found = super().recall(envelope, keys, expired=expired)
        self.meanwhile()
        return found

    def meanwhile(self) -> None:
        """Nothing, unless a test says so."""


class Known:
    """The evidence of known clients, with the memory that it is made from, a clock and a resolver's generation."""

    def __init__(self, tally: Tally | None = None, capacity: int = 1_000_000) -> None:
        self.now = 0.0
        self.generation = 0
        self.renewed: list[tuple[set[Key], float]] = []
        self.memory = Counted(self, clock=lambda: self.now)
        self.clients = KnownClients(POLICY, frozenset(), self.memory, self.renew, tally=tally, capacity=capacity)

    @property
    def gathered(self) -> int:
        return self.memory.recalls

    def renew(self, _envelope: Envelope, keys: Iterable[Key], seconds: float) -> None:
        self.renewed.append((set(keys), seconds))

    def find(self, *keys: Key, ttl: int = 100, about: Envelope | None = None) -> None:
        for check, property_ in keys:
            found = Finding(check=check, property=property_, result="pass")
            self.memory.remember(about or FIRST, found, ttl, self.generation)

    def forget(self) -> None:
        self.generation += 1

    def evidence(self, envelope: Envelope | None = None) -> Evidence:
        return self.clients.evidence(envelope or FIRST)


CLIENT = "2001:db8::25"
FIRST = envelope(CLIENT, "mail.example.org", "a@example.org")


def test_what_is_known_is_gathered_once_until_the_first_of_it_runs_out() -> None:
    known = Known()
    known.find(SPF, ttl=200)
    known.find(IPREV)
    evidence = known.evidence()
    assert evidence.known.keys() == {SPF, IPREV}
    known.now = 99.0
    assert known.evidence() is evidence
    known.now = 100.0
    assert known.evidence().known.keys() == {SPF}


@pytest.mark.parametrize(
    "other",
    [
        envelope("2001:db8::26", "mail.example.org", "a@example.org"),
        envelope(CLIENT, "other.example.org", "a@example.org"),
        envelope(CLIENT, "mail.example.org", "b@example.org"),
        envelope(CLIENT, "mail.example.org", "a@example.org", mta="mail.example.org"),
        replace(
            FIRST, session=replace(FIRST.session, client=replace(FIRST.session.client, origin=Origin.MASKED))
        ),  # since a guard has found its gateway out
    ],
)
def test_nothing_serves_a_neighbour(other: Envelope) -> None:
    known = Known()
    known.find(SPF)
    assert SPF in known.evidence().known
    known.evidence(other)
    assert known.gathered == 2


def test_what_has_been_found_out_since_counts_without_anybody_saying_so() -> None:
    known = Known()
    known.find(SPF)
    assert known.evidence().unanswered == (IPREV,)
    known.find(IPREV)
    assert known.evidence().unanswered == ()


def test_what_was_found_about_an_address_for_one_sender_counts_for_all_of_them_at_once() -> None:
    known, second = Known(), envelope(CLIENT, "mail.example.org", "b@example.net")
    for each in (FIRST, second):
        known.find(SPF, about=each)
        assert IPREV not in known.evidence(each).known
    known.find(IPREV)
    assert IPREV in known.evidence(second).known


def test_what_is_found_about_others_has_nothing_gathered_anew() -> None:
    known = Known()
    known.find(SPF)
    evidence = known.evidence()
    others = (envelope(f"2001:db8::{number:x}", "a.example", "a@a.example") for number in count())
    known.find(SPF, IPREV, about=next(other for other in others if _number(other) != _number(FIRST)))
    assert known.evidence() is evidence


def test_an_answer_that_is_renewed_is_good_for_its_new_time() -> None:
    known = Known()
    known.find(SPF, IPREV)
    known.evidence()
    known.now = 95.0
    known.find(SPF, IPREV)
    known.evidence()
    known.now = 190.0
    assert known.evidence().known.keys() == {SPF, IPREV}
    assert known.gathered == 2


def test_what_is_kept_ready_ends_with_the_generation_of_answers_behind_it() -> None:
    known = Known()
    known.find(SPF)
    assert SPF in known.evidence().known
    known.generation += 1
    assert SPF not in known.evidence().known


@pytest.mark.parametrize(
    ("meanwhile", "then"),
    [
        pytest.param(lambda known: known.find(IPREV), {SPF, IPREV}, id="more is found"),
        pytest.param(Known.forget, set(), id="all is forgotten"),
    ],
)
def test_what_happens_while_evidence_is_gathered_counts_from_the_next_time_on(
    meanwhile: Callable[[Known], None], then: set[Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known()
    known.find(SPF)
    with monkeypatch.context() as patch:
        patch.setattr(known.memory, "meanwhile", lambda: meanwhile(known))
        assert known.evidence().known.keys() == {SPF}
    assert known.evidence().known.keys() == then


@pytest.mark.parametrize(
    ("ttl", "renewed_from"),
    [(3600, 3240.0), (300, 270.0), (100, 90.0), (30, 20.0), (16, 8.0)],
)
def test_answers_are_renewed_for_who_comes_while_they_are_about_to_run_out(ttl: int, renewed_from: float) -> None:
    known = Known()
    known.find(SPF, IPREV, ttl=ttl)
    known.evidence()
    known.now = renewed_from - 1.0
    known.evidence()
    assert known.renewed == []
    known.now = renewed_from
    known.evidence()
    known.evidence()
    assert known.renewed == [({SPF, IPREV}, ttl - renewed_from)]
    known.now += 5.0
    known.evidence()
    assert [seconds for _, seconds in known.renewed] == [ttl - renewed_from, ttl - renewed_from - 5.0]


def test_where_nothing_was_asked_nothing_is_renewed() -> None:
    known = Known()
    malformed = envelope("fd00::25", "not a name", "a@example.org")  # of private use, so DNS isn't asked
    for known.now in (0.0, 1e9):
        assert known.evidence(malformed).known
    assert (known.renewed, known.gathered) == ([], 1)


def test_who_was_never_asked_about_takes_no_place_and_who_came_longest_ago_gives_way() -> None:
    known = Known()
    known.evidence()
    assert known.clients.bound[0] == 0
    known.find(SPF)
    known.evidence()
    room = 2 * known.clients.bound[0]
    known = Known(capacity=room)
    known.find(SPF)
    for number in range(3):
        known.evidence(envelope(CLIENT, "mail.example.org", f"{number}@example.org"))
    assert known.clients.bound == (room, room)
    known.evidence(envelope(CLIENT, "mail.example.org", "2@example.org"))
    assert known.gathered == 3
    known.evidence(envelope(CLIENT, "mail.example.org", "0@example.org"))
    assert known.gathered == 4


@pytest.mark.parametrize("facts", [0, 3, 8])
def test_a_decision_kept_ready_weighs_about_what_it_takes_in_memory(facts: int) -> None:
    known, many = (
        Known(capacity=10**9),
        [envelope(f"2001:db8::{n:x}", f"mail{n}.test", f"a@{n}.test") for n in range(800)],
    )
    for about in many:
        for key in (SPF, IPREV):
            more = tuple((f"fact {number}", f"{number} of {about.session.helo}") for number in range(facts))
            found = Finding(check=key[0], property=key[1], result="pass", reason=f"as {about.session.helo}", facts=more)
            known.memory.remember(about, found, 100)
    gc.collect()  # what earlier tests have freed would be used again, and not be counted
    tracemalloc.start()
    assert all(known.evidence(about).known for about in many)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < known.clients.bound[0] < 1.3 * taken


def test_of_a_client_about_whom_strangers_say_too_much_nothing_is_kept() -> None:
    known = Known()
    much = Finding(check=IPREV[0], property=IPREV[1], result="pass", facts=(("name", "x" * 9000),))
    known.memory.remember(FIRST, much, 100)
    for _ in range(2):
        assert IPREV in known.evidence().known
    assert (known.gathered, known.clients.bound[0]) == (2, 0)


def test_a_long_sender_weighs_four_octets_a_character_where_one_of_them_takes_as_many() -> None:
    known, weights = Known(), list[int]()
    for about in (envelope(CLIENT, "mail.example.org", f"{x}{1500 * 'x'}@example.org") for x in "x\N{GRINNING FACE}"):
        known.find(IPREV, about=about)
        known.evidence(about)
        weights.append(known.clients.bound[0])
    assert weights[1] > 2 * weights[0] + 4000


def test_findings_that_are_known_are_counted_as_remembered_and_those_missing_as_not() -> None:
    tally = Tally()
    known = Known(tally)
    known.find(SPF)
    for _ in ("gathered", "kept ready"):
        known.evidence()
        assert tally.take() == {("cache_lookups", "findings", "hit"): 1, ("cache_lookups", "findings", "miss"): 1}
    known.evidence(replace(FIRST, readable=False))  # of whom nothing is wanted
    assert tally.take() == {}


def test_what_the_header_has_asked_about_a_familiar_client_is_known_next_time() -> None:
    court = Court(f'{AT_ONCE}skip_recipients = ["lab.example"]\n[iprev]\nactions = {{ fail = "greylist" }}\n')
    court.judge(court.begin())  # SPF alone
    transaction = court.begin()
    assert IPREV not in transaction.known
    court.end(transaction)
    assert IPREV in court.begin().known


def test_what_was_learned_about_a_familiar_client_is_known_next_time() -> None:
    court = Court(f'{PATIENT}apply = "all"\n')
    court.judge(court.begin(sender="a@soft.example"))
    until(lambda: IPREV in court.begin(sender="a@soft.example").known, "the engine to learn")
    transaction = court.begin()
    assert SPF not in transaction.known
    court.judge(transaction)
    until(lambda: SPF in court.begin().known, "the engine to learn more")


def test_a_familiar_client_is_asked_about_anew_before_the_answers_run_out() -> None:
    court = Court(records=Records(ZONE, ttl=30))
    court.judge(court.begin())
    court.begin()
    ahead, asked = 0.0, list(court.dns.questions)
    court.engine._findings._clock = lambda: time.monotonic() + ahead  # noqa: SLF001
    court.begin()
    assert court.dns.questions == asked
    ahead = 25.0
    court.begin()
    until(lambda: set(court.dns.questions[len(asked) :]) == set(asked), "the same questions to be asked again")
    assert [0.0 < lasting <= 5.0 for lasting in court.dns.lasting[: len(asked)]] == [False] * len(asked)
    assert all(0.0 < lasting <= 5.0 for lasting in court.dns.lasting[len(asked) :])
