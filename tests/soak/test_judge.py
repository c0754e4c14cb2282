"""The judge must find what is wrong, and hold nothing against the service that is a fault's."""

import pytest

from rig.world import HONEST
from soak.judge import DEATH, DNS, RESTART, STORE, excuse, may_have_to_wait
from soak.message import ACCEPTED, LOST, NOBODY, SILENCE, Message, Outcome
from soak.trouble import Troubles

FORGED = Message(kind="forged", address=HONEST, right=frozenset({"550"}), recipients=(), asks=True)
FIRST = Message(kind="first try", address=HONEST, right=frozenset({"450"}), recipients=(), asks=True, waits=True)
KNOWN = Message(kind="known", address=HONEST, right=frozenset({ACCEPTED}), recipients=(), asks=True, passed=True)
TRUSTED = Message(kind="trusted", address=HONEST, right=frozenset({ACCEPTED}), recipients=())


class Now(Troubles):
    """One trouble, which was there from the tenth to the twentieth second."""

    def __init__(self, what: str = "") -> None:
        super().__init__()
        self._what = what

    def met(self, what: str, begin: float, end: float) -> bool:
        return what == self._what and begin <= 20 and end >= 10


def outcome(reply: str, text: str = "", *, began: float = 12, wrong: str = "", port: int = 0) -> Outcome:
    return Outcome(reply=reply, text=text, began=began, ended=began + 1, wrong=wrong, port=port)


@pytest.mark.parametrize("trouble", ["", DNS, STORE, RESTART])
@pytest.mark.parametrize(
    ("message", "said"),
    [
        (KNOWN, outcome("550")),
        (KNOWN, outcome("450")),
        (KNOWN, outcome(SILENCE)),
        (FIRST, outcome("550")),
        (FORGED, outcome(SILENCE)),
        (TRUSTED, outcome("450")),
        (TRUSTED, outcome("451")),
    ],
)
def test_nothing_excuses_a_refusal_out_of_place_nor_a_reply_that_never_comes(
    trouble: str, message: Message, said: Outcome
) -> None:
    assert excuse(message, said, Now(trouble)) is None


@pytest.mark.parametrize(
    ("message", "said", "trouble"),
    [
        (KNOWN, outcome("451"), DNS),
        (KNOWN, outcome(ACCEPTED, wrong="no field"), DNS),
        (FIRST, outcome("451"), DNS),
        (FIRST, outcome(ACCEPTED), DNS),
        (FIRST, outcome(ACCEPTED), STORE),
        (FORGED, outcome(ACCEPTED), DNS),
        (FORGED, outcome("450", "SPF temperror", began=60), DNS),
        (TRUSTED, outcome(NOBODY), RESTART),
        (TRUSTED, outcome(LOST), RESTART),
    ],
)
def test_a_trouble_excuses_what_it_may_bring_about_and_in_calm_that_is_wrong(
    message: Message, said: Outcome, trouble: str
) -> None:
    assert excuse(message, said, Now(trouble)) == trouble
    assert excuse(message, said, Now()) is None


@pytest.mark.parametrize(
    ("message", "said"), [(FORGED, outcome(ACCEPTED, began=30)), (FORGED, outcome("450", "Greylisted", began=30))]
)
def test_an_outage_excuses_nothing_afterwards_but_what_was_marked(message: Message, said: Outcome) -> None:
    assert excuse(message, said, Now(DNS)) is None


def test_a_session_may_be_lost_only_with_the_worker_that_had_it() -> None:
    troubles = Troubles()
    troubles.cut({1234}, 12.5)
    assert excuse(TRUSTED, outcome(LOST, port=1234), troubles) == DEATH
    assert excuse(TRUSTED, outcome(LOST, port=1235), troubles) is None
    assert excuse(TRUSTED, outcome(LOST, port=1234, began=13), troubles) is None


def test_a_reply_that_is_right_needs_no_excuse() -> None:
    assert not excuse(KNOWN, outcome(ACCEPTED), Now())
    assert excuse(KNOWN, outcome(ACCEPTED, wrong="no field"), Now()) is None


@pytest.mark.parametrize("trouble", [DEATH, RESTART, STORE])
def test_a_row_may_be_unwritten_only_around_a_death_or_an_outage(trouble: str) -> None:
    assert may_have_to_wait(20.5, 25, Now(trouble))
    assert not may_have_to_wait(22, 25, Now(trouble))


def test_a_retry_may_have_to_wait_again_over_a_restart_and_over_nothing_else() -> None:
    assert may_have_to_wait(8, 12, Now(RESTART))
    assert not may_have_to_wait(8, 12, Now(DEATH))
    assert not may_have_to_wait(8, 12, Now(STORE))
