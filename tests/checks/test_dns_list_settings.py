"""How a list is called, and which answers of it count."""

import pytest

from milter64.checks.dns_list_settings import Answers, Settings, Zone, wrong_answer
from milter64.mail.action import Action

KEY = "k3yk3yk3yk3yk3yk3yk3yk3yk3"


@pytest.mark.parametrize(
    ("zone", "public"),
    [
        ("zen.spamhaus.org", "zen.spamhaus.org"),
        (f"{KEY}.zen.dq.spamhaus.net", "zen.dq.spamhaus.net"),
        ("0123456789abcdef0123456789abcdef.black.mail.abusix.zone", "black.mail.abusix.zone"),
        ("abcdefghijklmnopqrst.list.example.org", "list.example.org"),
        ("a1b2c3d4.list.example.org", "list.example.org"),
        (f"list.{KEY}.example.org", "list.example.org"),
        ("b.barracudacentral.org", "b.barracudacentral.org"),
        ("dnsbl-1.uceprotect.net", "dnsbl-1.uceprotect.net"),
        ("hostkarma.junkemailfilter.com", "hostkarma.junkemailfilter.com"),
        ("Zen.Spamhaus.ORG.", "zen.spamhaus.org"),
        (f"{KEY}.rbl", "rbl"),
        (f"{KEY}.example.org", "example.org"),
        (f"bl.{KEY}.co.uk", "bl.co.uk"),
        ("a1b2c3d4e5f6a7b8.org", "org"),
        ("barracudacentral.org", "barracudacentral.org"),
        ("a1b2c3d4.org", "a1b2c3d4.org"),
        ("0spam-killlist.example.org", "example.org"),
        (f"zen.{KEY}", f"zen.{KEY}"),
    ],
)
def test_a_zone_is_called_by_its_name_without_what_looks_like_a_key(zone: str, public: str) -> None:
    assert Zone(zone).public == public
    assert Settings(zone=Zone(zone)).shown == public


@pytest.mark.parametrize(
    "zone", ["", "spamhaus", "a..b", ".", "zen spamhaus.org", "a.b/c", "-.example", "x." * 95 + "y"]
)
def test_what_is_no_zone_is_refused_and_not_repeated(zone: str) -> None:
    with pytest.raises(ValueError, match="not the name of a zone") as caught:
        Zone(zone + KEY if zone in ("zen spamhaus.org", "a.b/c") else zone)
    assert KEY not in str(caught.value)


def test_nobody_who_prints_settings_prints_a_key() -> None:
    settings = Settings(zone=Zone(f"{KEY}.zen.dq.spamhaus.net"))
    assert KEY not in repr(settings)
    assert KEY not in str(settings)
    assert settings.zone
    assert settings.zone.text == f"{KEY}.zen.dq.spamhaus.net"


def test_a_list_has_the_name_that_it_is_given_and_a_question_for_each_thing_that_it_is_asked_about() -> None:
    settings = Settings(zone=Zone("dbl.example.org"), name="dbl", about=("sender", "helo"))
    assert settings.shown == "dbl"
    assert settings.key("client") == ("dnsbl", "dbl")
    assert settings.key("sender") == ("dnsbl", "dbl/sender")
    assert Settings(zone=Zone("wl.example.org"), action=Action.ACCEPT).key("name") == ("dnswl", "wl.example.org/name")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("127.0.0.2", ["127.0.0.2"], ["127.0.0.3", "127.0.0.1"]),
        ("127.0.0.2-11", ["127.0.0.2", "127.0.0.11"], ["127.0.0.1", "127.0.0.12", "127.0.1.2"]),
        ("127.0.1.0/24", ["127.0.1.0", "127.0.1.255"], ["127.0.0.255", "127.0.2.0"]),
    ],
)
def test_answers_are_an_address_a_range_or_a_network(text: str, inside: list[str], outside: list[str]) -> None:
    answers = Answers(text)
    assert [each for each in inside + outside if each in answers] == inside


@pytest.mark.parametrize(
    "text",
    [
        *("", "127", "127.0.0", "127.0.0.2-", "127.0.0.2-1", "127.0.0.2-256", "127.0.0.2-127.0.0.4", "127.0.0.2-11-12"),
        *("127.0.0.[2..11]", "192.0.2.1", "126.0.0.0/7", "0.0.0.0/0", "::1", "::7f00:2", "::7f00:2-3"),
    ],
)
def test_what_is_none_of_these_or_lies_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Answers(text)


def test_only_the_answers_that_are_wanted_count() -> None:
    settings = Settings(zone=Zone("zen.example.org"), answers=(Answers("127.0.0.2-3"), Answers("127.0.0.9")))
    assert settings.counting(("127.0.0.4", "127.0.0.9", "127.0.0.2")) == ("127.0.0.9", "127.0.0.2")
    assert settings.counting(("127.0.0.10", "127.0.0.11")) == ()


@pytest.mark.parametrize("value", ["127.255.255.0", "127.255.255.254", "127.0.0.1", "192.0.2.1", "126.255.255.255"])
def test_no_list_that_works_gives_an_answer_that_means_an_error_or_lies_elsewhere(value: str) -> None:
    assert value in wrong_answer(("127.0.0.2", value))


@pytest.mark.parametrize("value", ["127.0.0.2", "127.0.0.0", "127.255.254.255", "127.0.0.255"])
def test_all_other_answers_of_127_are_a_lists_own_business(value: str) -> None:
    assert wrong_answer((value,)) == ""
