import pytest

from bench.bench import arguments
from bench.bout import put_off
from bench.intake import sent_of
from bench.loads import LOADS
from bench.report import PEERS


@pytest.mark.parametrize(
    ("environment", "rounds", "names"),
    [
        ({}, 7, [load.name for load in LOADS]),
        ({"ROUNDS": "", "LOADS": " "}, 7, [load.name for load in LOADS]),
        ({"ROUNDS": "3", "LOADS": "flood"}, 3, ["flood"]),
        ({"LOADS": "mixed, hot,mixed"}, 7, ["mixed", "hot"]),
    ],
)
def test_the_environment_says_how_many_rounds_of_which_loads(
    environment: dict[str, str], rounds: int, names: list[str]
) -> None:
    asked, loads = arguments(environment)
    assert (asked, [load.name for load in loads]) == (rounds, names)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ROUNDS": "0"}, "ROUNDS must be a number from 1 on, not 0"),
        ({"ROUNDS": "-1"}, "not -1"),
        ({"ROUNDS": "many"}, "not many"),
        ({"LOADS": "hot cold"}, "no load is called cold; there are hot, hot-headers"),
    ],
)
def test_what_cannot_be_run_is_said(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        arguments(environment)


def test_each_load_has_a_name_of_its_own_and_words_about_whom_it_is_compared_with() -> None:
    assert len({load.name for load in LOADS}) == len(LOADS)
    beside = {name for load in LOADS for name in load.beside}
    assert {target.against for load in LOADS for target in load.targets} | beside == PEERS.keys()


@pytest.mark.parametrize(
    ("output", "sent"),
    [
        ("1\r2\r3\r4\r\n", 4),
        ("1\n2\n3\n4\n\n", 4),  # read as text
        ("9\r10\r\n", 10),
        ("1\r2", 2),
        ("", 0),
    ],
)
def test_smtp_source_says_how_many_messages_it_has_sent(output: str, sent: int) -> None:
    assert sent_of(output) == sent


@pytest.mark.parametrize(
    ("replies", "sessions"),
    [
        ({"rcpt.450": 3, "rcpt.continue": 4}, 3),
        ({"rcpt.DEFER_IF_PERMIT": 2, "rcpt.DUNNO": 1}, 2),
        ({"eom.451": 1, "eom.accept": 9}, 1),
        ({"mail.550": 5, "eom.continue": 5}, 0),
    ],
)
def test_a_greylist_is_understood_whatever_its_words(replies: dict[str, int], sessions: int) -> None:
    assert put_off({"replies": replies}) == sessions
