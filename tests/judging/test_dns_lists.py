"""What the engine asks of DNS lists, and when not."""

import pytest

from milter64.dns.lookup import Answer
from milter64.dns.unanswered import Unanswered
from rig.court import AT_ONCE, HONEST, PATIENT, STRANGER, ZONE, Court
from rig.process import until
from rig.records import Records, zone

BL = '[[dnslist]]\nzone = "bl.example"\n'
GREY = f'{BL}action = "greylist"\n'
WL = '[[dnslist]]\nzone = "wl.example"\naction = "accept"\n'
LISTED = "40.196.31.192"
LISTS = zone(f"""
    2.0.0.127.bl.example A 127.0.0.2
    {LISTED}.bl.example A 127.0.0.2
    2.0.0.127.wl.example A 127.0.0.2
    {LISTED}.wl.example A 127.0.0.2
""")


def court(settings: str) -> Court:
    return Court(settings, records=Records({**ZONE, **LISTS}))


def asked(court: Court, list_: str) -> list[str]:
    """Return whom a list has been asked about."""
    names = [question.removeprefix("A ") for question in court.dns.questions if question.endswith(f".{list_}")]
    return [name for name in names if not name.startswith("x") and ".127." not in name]


def test_a_list_refuses_whom_it_has_and_nobody_else() -> None:
    found = court(BL + AT_ONCE)
    assert found.offer("x@soft.example") == "550 5.7.1"
    assert found.offer("x@honest.example") == "550 5.7.1", "SPF, which fails, is not asked any more"
    assert found.offer("a@honest.example", address=HONEST) == "yes"


def test_a_list_that_greylists_has_whom_it_lists_wait() -> None:
    found = court(GREY + PATIENT + "[iprev]\nenabled = false\n")
    assert found.offer("x@none.example") == "450 4.7.1"
    assert found.offer("x@none.example", address=HONEST) == "yes"


@pytest.mark.parametrize(
    ("settings", "list_"),
    [
        (f'{BL}{AT_ONCE}[helo]\nactions = {{ malformed = "reject" }}\n', "bl.example"),
        (f'{BL}{AT_ONCE}[trust]\nnetworks = ["{STRANGER}"]\n', "bl.example"),
        (f'{BL}{AT_ONCE}[allow]\nentries = ["{STRANGER}"]\n', None),
        (f'{BL}{AT_ONCE}[allow]\nentries = [{{ who = "{STRANGER}", spares = "all" }}]\n', "bl.example"),
        (f'{BL}{AT_ONCE}[block]\nentries = ["{STRANGER}"]\n', "bl.example"),
        (f'{GREY}{AT_ONCE}[allow]\nentries = ["{STRANGER}"]\n', "bl.example"),
        (f"{WL}{AT_ONCE}", "wl.example"),
    ],
)
def test_a_list_is_not_asked_where_its_word_could_change_nothing(settings: str, list_: str | None) -> None:
    found = court(settings)
    transaction = found.begin(STRANGER, "x@none.example", "")
    found.judge(transaction)
    assert bool(asked(found, "bl.example") or asked(found, "wl.example")) is (list_ is None)


def test_a_list_that_accepts_is_asked_before_anybody_waits_and_else_for_the_header_alone() -> None:
    found = court(WL + PATIENT)
    assert found.offer("x@soft.example") == "yes"
    assert asked(found, "wl.example") == [f"{LISTED}.wl.example"]
    found = court(WL + PATIENT)
    transaction = found.begin()
    assert found.judge(transaction) == "yes"
    assert asked(found, "wl.example") == []
    assert found.end(transaction) == "yes"
    assert asked(found, "wl.example") == ["10.196.31.192.wl.example"]


class Refusing(Records):
    """Records of which a list's are refused."""

    def ask(self, name: str, rdtype: str, deadline: float = 0.0, lasting: float = 0.0) -> Answer:
        if name.endswith(".bl.example"):
            self.questions.append(f"{rdtype} {name}")
            raise Unanswered("SERVFAIL")
        return super().ask(name, rdtype, deadline, lasting)


@pytest.mark.parametrize(
    ("records", "result"),
    [
        (Refusing({**ZONE, **LISTS}), "temperror"),
        (Records({**ZONE, **LISTS, **zone("1.0.0.127.bl.example A 127.0.0.2")}), "permerror"),
    ],
)
def test_who_is_known_needs_no_dns_because_a_list_is_dead_or_not_to_be_believed(records: Records, result: str) -> None:
    found = Court(BL + AT_ONCE, records=records)
    assert found.judge(found.begin()) == "yes"
    transaction = until(lambda: None if (known := found.begin()).evidence.unanswered and found.judge(known) else known)
    questions = len(found.dns.questions)
    assert transaction.known["dnsbl", "bl.example"].result == result
    assert found.judge(transaction) == "yes"
    assert found.end(transaction) == "yes"
    assert len(found.dns.questions) == questions
