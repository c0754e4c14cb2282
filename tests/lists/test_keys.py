"""By which entries an address is found, however it was made of another."""

import pytest

from milter64.lists import keys
from milter64.lists.mistakes import NoMistakes
from milter64.lists.who import parse


def finds(found: keys.Keys, entry: str) -> bool:
    return parse(entry, NoMistakes()).key in [key for _, key in found]


@pytest.mark.parametrize(
    ("recipient", "entry", "matches"),
    [
        ("you+x@here.example", "to:you@here.example", True),
        ("You+a+b@here.example", "to:you@here.example", True),
        ("you+x@here.example", "to:you+x@here.example", True),
        ("you@here.example", "to:you+x@here.example", False),
        ("you+y@here.example", "to:you+x@here.example", False),
        ("+x@here.example", "to:you@here.example", False),
        ("+x@here.example", "to:+x@here.example", True),
        ("your+x@here.example", "to:you@here.example", False),
        ("prvs=1234abcdef=you@here.example", "to:you@here.example", True),
        ("prvs=1234abcdef=You+x@here.example", "to:you@here.example", True),
        ("prvs=1234abcdef=you@here.example", "to:prvs=1234abcdef=you@here.example", True),
        ("x=you@here.example", "to:you@here.example", False),
    ],
)
def test_nobody_gets_around_a_recipients_entry_by_an_extension_or_a_tag_for_bounces(
    recipient: str, entry: str, *, matches: bool
) -> None:
    assert finds(keys.of_recipient(recipient), entry) is matches


@pytest.mark.parametrize(
    ("sender", "entry", "matches"),
    [
        ("prvs=1234abcdef=Joe@partner.example", "joe@partner.example", True),
        ("prvs=joe=1234abcdef@partner.example", "joe@partner.example", True),
        ("btv1==0123==joe@partner.example", "joe@partner.example", True),
        ("msprvs1=17b0gZ7=joe@partner.example", "joe@partner.example", True),
        ("prvs=1234abcdef=joe@partner.example", "@partner.example", True),
        ("joe+x@partner.example", "joe@partner.example", False),
        ("SRS0=abcd=V6=partner.example=joe@forwarder.example", "joe@partner.example", False),
    ],
)
def test_a_senders_entry_finds_him_though_his_address_is_tagged_for_bounces(
    sender: str, entry: str, *, matches: bool
) -> None:
    assert finds(keys.of_sender(sender), entry) is matches


def test_keys_are_told_from_the_narrowest_to_the_widest_each_once() -> None:
    assert [key for _, key in keys.of_recipient("a+b@x.example")] == [
        b"to:a+b@x.example",
        b"to:a@x.example",
        b"to:@x.example",
        b"to:@.x.example",
        b"to:@.example",
    ]
