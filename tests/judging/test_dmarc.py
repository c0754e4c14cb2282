"""SPF's fail where DMARC decides: who comes in, who doesn't, and when DNS is asked for it."""

import pytest

from milter64.config.load_file import parse
from milter64.dns.lookup import Answer
from milter64.dns.unanswered import OutOfMeans
from milter64.judging.known_clients import KnownClients
from milter64.judging.remembered_findings import RememberedFindings
from milter64.mail.finding import Finding, Findings, Key
from milter64.policy.decision import Verdict
from milter64.telemetry.metrics import Tally
from rig.court import AT_ONCE, HONEST, PATIENT, STRANGER, ZONE, Court
from rig.envelopes import envelope
from rig.records import Records, Zone, zone

DMARC: Key = ("dmarc", "smtp.mailfrom")
LEFT = '[spf.actions]\nfail = "dmarc"\nsoftfail = "greylist"\n'
POLICIES: Zone = zone(f"""
    _dmarc.strict.example TXT v=DMARC1; p=reject
    strict.example TXT v=spf1 ip4:{HONEST} -all
    sub.strict.example TXT v=spf1 ip4:{HONEST} -all
    _dmarc.watching.example TXT v=DMARC1; p=none
    watching.example TXT v=spf1 ip4:{HONEST} -all
    _dmarc.soft.example TXT v=DMARC1; p=reject
    lost.example TXT v=spf1 ip4:{HONEST} -all
    _dmarc.void.example TXT v=DMARC1
    void.example TXT v=spf1 -all
    41.196.31.192.in-addr.arpa PTR nowhere.example
""")
SUSPECT = "192.31.196.41"
"""A client whose name leads elsewhere."""


def court(settings: str = AT_ONCE + LEFT, records: Records | None = None) -> Court:
    return Court(settings, records=records or Records({**ZONE, **POLICIES}, ["_dmarc.lost.example"]))


def dmarc(records: Records) -> list[str]:
    return [question for question in records.questions if "_dmarc" in question]


@pytest.mark.parametrize(
    ("sender", "answer", "found"),
    [
        ("a@strict.example", "yes", "policy"),
        ("a@sub.strict.example", "yes", "policy"),
        ("a@watching.example", "yes", "policy"),
        ("a@honest.example", "550 5.7.23", "none"),
        ("a@void.example", "550 5.7.23", "none"),
        ("a@lost.example", "451 4.7.24", "temperror"),
        ("a@soft.example", "450 4.7.1", None),
        ("a@none.example", "yes", None),
    ],
)
def test_a_fail_is_let_in_where_there_is_a_policy_and_refused_elsewhere(
    sender: str, answer: str, found: str | None
) -> None:
    settings = court(PATIENT + LEFT)
    transaction = settings.begin(STRANGER, sender, "stranger.example")
    assert settings.judge(transaction) == answer
    assert result(transaction.known) == found
    assert bool(dmarc(settings.dns)) is (found is not None)


def result(known: Findings) -> str | None:
    finding = known.get(DMARC)
    return finding.result if finding else None


def test_without_the_word_nobody_is_asked_for_a_policy() -> None:
    settings = court(AT_ONCE)
    assert settings.offer("a@strict.example") == "550 5.7.23"
    assert dmarc(settings.dns) == []


def test_who_comes_in_is_said_to_by_the_policy_and_still_has_failed_spf() -> None:
    settings = court()
    transaction = settings.begin(STRANGER, "a@strict.example", "stranger.example")
    assert [settings.judge(transaction), settings.end(transaction)] == ["yes", "yes"]
    assert transaction.known["spf", "smtp.mailfrom"].result == "fail"
    assert isinstance(transaction.acceptance, Verdict)
    assert [finding.reason for finding in transaction.acceptance.because] == ["strict.example publishes p=reject"]


def test_a_policy_is_asked_for_once_and_kept_for_the_domain_whoever_sends_in_its_name() -> None:
    settings = court()
    transaction = settings.begin(STRANGER, "a@strict.example", "stranger.example")
    assert [settings.judge(transaction, name) for name in ("b@lab.example", "c@lab.example")] == ["yes", "yes"]
    assert settings.offer("b@strict.example") == "yes"
    assert dmarc(settings.dns) == ["TXT _dmarc.strict.example"]


def test_who_passes_spf_is_not_said_to_come_in_by_a_policy_that_is_remembered() -> None:
    settings = court()
    assert settings.offer("a@strict.example") == "yes"
    transaction = settings.begin(HONEST, "a@strict.example")
    assert [settings.judge(transaction), settings.end(transaction)] == ["yes", "yes"]
    assert isinstance(transaction.acceptance, Verdict)
    assert transaction.acceptance.because == ()


def test_who_passes_spf_costs_no_question_not_for_the_header_either() -> None:
    settings = court()
    transaction = settings.begin(HONEST, "a@strict.example")
    assert [settings.judge(transaction), settings.end(transaction)] == ["yes", "yes"]
    assert dmarc(settings.dns) == []


@pytest.mark.parametrize(
    ("more", "helo", "answer", "asked"),
    [
        ("", "strict.example", "550 5.7.23", False),
        ("[spf]\nhelo_actions = {}\n", "strict.example", "yes", True),
        ("[helo]\nactions = { malformed = 'reject' }\n", "stranger", "550 5.7.1", False),
    ],
)
def test_what_else_refuses_somebody_does_so_still_and_no_policy_is_asked_for(
    more: str,
    helo: str,
    answer: str,
    asked: bool,  # noqa: FBT001  a column
) -> None:
    settings = court(AT_ONCE + more + LEFT)
    assert settings.judge(settings.begin(STRANGER, "a@strict.example", helo)) == answer
    assert bool(dmarc(settings.dns)) is asked


def test_what_else_has_somebody_wait_does_so_still() -> None:
    settings = court(PATIENT + LEFT)
    transaction = settings.begin(SUSPECT, "a@strict.example", "stranger.example")
    assert settings.judge(transaction) == "450 4.7.1"
    assert [finding.check for finding in transaction.verdicts[-1].because] == ["iprev"]


def test_a_bounce_is_the_matter_of_helos_policy() -> None:
    settings = court(f"{AT_ONCE}[spf]\nhelo_actions = {{}}\n{LEFT}")
    ends = []
    for helo in ("strict.example", "honest.example"):
        transaction = settings.begin(STRANGER, "", helo)
        ends.append([settings.judge(transaction), settings.end(transaction)])
    assert ends == [["yes", "yes"], ["yes", "550 5.7.23"]]


def test_postmaster_is_reached_without_a_question() -> None:
    settings = court()
    assert settings.offer("a@honest.example", "postmaster@lab.example") == "yes"
    assert dmarc(settings.dns) == []


class OutOfSockets(Records):
    """Can't ask for policies."""

    def ask(self, name: str, *arguments: object) -> Answer:
        if name.startswith("_dmarc"):
            raise OutOfMeans("no socket")
        return super().ask(name, *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("sender", ["a@strict.example", "a@honest.example"])
def test_who_could_be_let_in_is_put_off_while_we_are_too_busy_to_ask(sender: str) -> None:
    settings = court(records=OutOfSockets({**ZONE, **POLICIES}))
    assert settings.offer(sender) == "451 4.3.2"


def test_that_there_was_no_policy_refuses_nobody_once_it_has_run_out_and_dns_is_silent() -> None:
    records = Records({**ZONE, **POLICIES}, ttls={"_dmarc.honest.example": 0, "_dmarc.strict.example": 0})
    settings = court(records=records)
    senders = ("a@honest.example", "a@strict.example")
    assert [settings.offer(sender) for sender in senders] == ["550 5.7.23", "yes"]
    records.fail("_dmarc.honest.example", "_dmarc.strict.example")
    assert [settings.offer(sender) for sender in senders] == ["451 4.7.24", "yes"]


LEFT_TO_DMARC = parse(LEFT)[0].policy()


class Familiar:
    """A known client, with a clock; what is known of him was found at 0, and runs out at 100."""

    def __init__(self, **results: str) -> None:
        self.now, self.tally = 0.0, Tally()
        self.renewed = list[set[Key]]()
        self._memory = RememberedFindings(Records({}), clock=lambda: self.now)
        self._clients = KnownClients(
            LEFT_TO_DMARC,
            frozenset(),
            self._memory,
            lambda _envelope, keys, _seconds: self.renewed.append(set(keys)),
            tally=self.tally,
        )
        self.find(**results)

    def find(self, **results: str) -> None:
        for check, result in results.items():
            finding = Finding(check=check, property="smtp.mailfrom", result=result)
            self._memory.remember(SENT, finding, 100)

    def comes(self, now: float) -> None:
        self.now = now
        self._clients.evidence(SENT)


SENT = envelope(STRANGER, "stranger.example", "a@strict.example")


@pytest.mark.parametrize(
    ("spf", "renewed"), [("fail", [{("spf", "smtp.mailfrom"), DMARC}]), ("pass", [{("spf", "smtp.mailfrom")}])]
)
def test_what_is_known_of_a_policy_is_renewed_for_whom_it_lets_in(spf: str, renewed: list[set[Key]]) -> None:
    client = Familiar(spf=spf, dmarc="policy")
    for now in (1.0, 99.0):
        client.comes(now)
    assert client.renewed == renewed


def test_a_policy_alone_has_nothing_renewed() -> None:
    client = Familiar(dmarc="policy")
    for now in (1.0, 99.0):
        client.comes(now)
    assert client.renewed == []


def test_a_policy_that_nobody_needs_is_counted_as_neither_remembered_nor_missing() -> None:
    hit, miss = ("cache_lookups", "findings", "hit"), ("cache_lookups", "findings", "miss")
    for results in ({"spf": "pass"}, {"spf": "pass", "dmarc": "policy"}):
        client = Familiar(**results)
        client.comes(1.0)
        assert client.tally.take() == {hit: 1, miss: 2}
