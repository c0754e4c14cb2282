"""What the engine makes of the admin's lists: the order of judgement, and what is asked for them."""

from dataclasses import dataclass, field

import pytest

from milter64.address.client import Client
from milter64.lists.listed import Listed
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from milter64.mail.spares import Spares
from rig.court import AT_ONCE, HONEST, PATIENT, STRANGER, ZONE, Court
from rig.records import Records, zone

IPREV: Key = ("iprev", "policy.iprev")


def match(check: str, kind: str, result: str) -> Finding:
    return Finding(check=check, property=kind, result=result, reason="as it was written")


@dataclass
class Names:
    """Lists of a client's address, of its confirmed name, and of a recipient."""

    blocked: dict[str, str] = field(default_factory=dict)
    allowed: dict[str, str] = field(default_factory=dict)
    edition: int = 0

    def of_client(self, client: Client) -> Listed:
        return Listed(findings=tuple(self._matches(client.address, "network")))

    def of_sender(self, envelope: Envelope, known: Findings) -> Listed:
        found = [*self.of_client(envelope.session.client).findings]
        iprev = known.get(IPREV)
        if iprev:
            found += self._matches(iprev.fact("name") or "", "name")
            return Listed(findings=tuple(found))
        return Listed(
            findings=tuple(found),
            may_block=frozenset({IPREV} if any(self.blocked) else ()),
            may_spare={IPREV: Spares.ALL} if any(self.allowed) else {},
        )

    def of_recipient(self, recipient: str) -> Listed:
        return Listed(findings=tuple(self._matches(recipient, "recipient")))

    def _matches(self, who: str, kind: str) -> list[Finding]:
        blocked = [match("block", kind, "listed")] if who in self.blocked else []
        return [*blocked, *([match("allow", kind, self.allowed[who])] if who in self.allowed else [])]


FORGED = ("x@honest.example", "b@lab.example", STRANGER)
"""A sender whose domain refuses the client."""


@pytest.mark.parametrize(
    ("lists", "settings", "answer"),
    [
        (Names(), AT_ONCE, "550 5.7.23"),
        (Names(allowed={STRANGER: "all"}), AT_ONCE, "yes"),
        (Names(allowed={STRANGER: "spf"}), AT_ONCE, "yes"),
        (Names(allowed={STRANGER: "greylist"}), AT_ONCE, "550 5.7.23"),
        (Names(allowed={"stranger.example": "all"}), AT_ONCE, "yes"),
        (Names(allowed={"b@lab.example": "all"}), AT_ONCE, "yes"),
        (Names(allowed={STRANGER: "all"}, blocked={STRANGER: ""}), AT_ONCE, "550 5.7.1"),
        (Names(allowed={STRANGER: "all"}, blocked={"stranger.example": ""}), AT_ONCE, "550 5.7.1"),
        (Names(allowed={STRANGER: "all"}, blocked={"b@lab.example": ""}), AT_ONCE, "550 5.7.1"),
        (Names(blocked={STRANGER: ""}), f'{AT_ONCE}[trust]\nnetworks = ["{STRANGER}"]', "yes"),
        (Names(blocked={"b@lab.example": ""}), f'{AT_ONCE}[trust]\nnetworks = ["{STRANGER}"]', "yes"),
    ],
)
def test_trust_goes_before_a_block_a_block_before_all_that_is_allowed_and_that_before_findings(
    lists: Names, settings: str, answer: str
) -> None:
    assert Court(settings, lists=lists).offer(*FORGED) == answer


def test_postmaster_can_be_reached_but_by_who_is_blocked() -> None:
    court = Court(lists=Names(blocked={STRANGER: ""}))
    assert court.offer("x@honest.example", "postmaster@lab.example", HONEST) == "yes"
    assert court.offer("x@honest.example", "postmaster@lab.example") == "550 5.7.1"


def test_one_recipient_who_is_spared_greylisting_spares_nobody_beside_him() -> None:
    court = Court(PATIENT, lists=Names(allowed={"impatient@lab.example": "greylist"}))
    transaction = court.begin(STRANGER, "x@soft.example", "stranger.example")
    assert court.judge(transaction, "impatient@lab.example") == "yes"
    assert court.judge(transaction, "b@lab.example") == "450 4.7.1"


def test_a_name_that_is_allowed_is_asked_for_before_anybody_waits_and_by_nobody_who_does_not() -> None:
    court = Court(PATIENT, lists=Names(allowed={"stranger.example": "all"}))
    assert court.offer("x@soft.example") == "yes"
    court = Court(PATIENT + "[iprev]\nenabled = false\n", lists=Names(allowed={"stranger.example": "all"}))
    assert court.offer("x@soft.example") == "450 4.7.1", "nobody asks for the name"


@pytest.mark.parametrize(("failing", "answer"), [([], "yes"), (["z.partner.example"], "451 4.7.25")])
def test_who_has_several_names_is_allowed_by_each_and_put_off_while_dns_gives_no_answer_about_one(
    failing: list[str], answer: str
) -> None:
    names = zone(f"""
        40.196.31.192.in-addr.arpa PTR stranger.example
        40.196.31.192.in-addr.arpa PTR z.partner.example
        z.partner.example A {STRANGER}
    """)
    allowed = '[allow]\nentries = [{ who = "partner.example", spares = "all" }]\n'
    court = Court(AT_ONCE + allowed, records=Records({**ZONE, **names}, failing))
    assert court.offer("x@honest.example") == answer


def test_what_was_kept_of_a_client_ends_with_the_lists_edition() -> None:
    lists = Names()
    court = Court(lists=lists)
    for answer, blocked, edition in (("yes", {}, 0), ("yes", {}, 0), ("550 5.7.1", {HONEST: ""}, 1), ("yes", {}, 2)):
        lists.blocked, lists.edition = blocked, edition
        transaction = court.begin()
        assert court.judge(transaction) == answer
        assert court.end(transaction) == "yes"
