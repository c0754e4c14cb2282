"""What is told of a sender who is refused."""

import pytest

from milter64.report.facts import suspect
from milter64.report.senders import Sender


@pytest.mark.parametrize(
    ("days", "recipients", "told"),
    [
        (1, 4, ("it came to 4 recipients",)),
        (3, 1, ("it came on 3 days, to 1 recipient",)),
        (3, 2, ("it came on 3 days, to 2 recipients",)),
        (2, 2, ()),
    ],
)
def test_who_comes_steadily_is_told_of_in_as_many_words_as_it_takes(
    days: int, recipients: int, told: tuple[str, ...]
) -> None:
    sender = Sender(who="192.0.2.1", days=set(range(days)), recipients={f"{n}@lab.example" for n in range(recipients)})
    assert suspect(sender).speaks == told
