"""What is made of what a log can't tell, and of its times."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing

import pytest

from milter64.address.client import Origin
from milter64.config.list_sources import admin_lists
from milter64.config.load_file import parse
from milter64.replay.judge import Judge
from milter64.replay.outcomes import Outcomes
from milter64.replay.reverse_dns import mildest
from milter64.replay.traffic import Attempt
from rig.records import Records

DAY = 86400.0
HONEST = Attempt(
    at=0.0,
    queue=b"4bXyZ1",
    name=b"mail.honest.example",
    address=b"192.31.196.10",
    helo=None,
    sender=b"joe@honest.example",
    recipients=(b"you@example.org",),
)
NAMELESS = HONEST._replace(name=b"unknown", address=b"192.31.196.20")
ALL = '[greylist]\napply = "all"\n'


def judged(settings: str, *attempts: Attempt, asks: bool = False) -> list[Mapping[str, str]]:
    """Return what a replay of attempts says of each outcome."""
    configuration, problems = parse(settings)
    assert not problems
    told: list[Mapping[str, str]] = []
    lists = admin_lists(configuration, print)
    outcomes = Outcomes(lambda _, shape, host, mail: told.append({**shape._asdict(), "host": host, "mail": mail}))
    with closing(Judge(configuration, Records({}), lists, outcomes, asks=asks)) as judge:  # type: ignore[arg-type]  # a fake
        for attempt in attempts:
            judge.judge(attempt)
    return told


def verdicts(settings: str, *attempts: Attempt) -> list[str]:
    """Return what would have become of attempts."""
    return [fields["observed"] or fields["event"] for fields in judged(settings, *attempts)]


def test_the_greylist_goes_by_the_log_s_time() -> None:
    attempts = [HONEST._replace(at=at) for at in (0.0, 59.0, 60.0, 40 * DAY)]
    assert verdicts(ALL, *attempts) == ["greylisted", "greylisted", "accepted", "greylisted"]


@pytest.mark.parametrize(("later", "asked"), [(3600.0, True), (3 * DAY, False)])
def test_dns_is_asked_about_a_pair_from_elsewhere_only_until_its_rows_have_run_out(
    later: float, *, asked: bool
) -> None:
    first, then = judged(ALL, HONEST, HONEST._replace(at=later, address=b"198.51.100.7"), asks=True)
    assert (first["standing"], then["standing"]) == ("new", "new")
    assert ("spf=" in first["found"], "spf=" in then["found"]) == (False, asked)


def test_limits_go_by_the_log_s_time() -> None:
    limit = '[rate.recipients]\n"ipv4/32" = "2/1h"\n'
    attempts = [HONEST._replace(at=at) for at in (0.0, 1.0, 2.0, 3602.0)]
    assert verdicts(limit, *attempts) == ["accepted", "accepted", "deferred", "accepted"]


def test_nothing_is_held_against_a_helo_name_that_the_log_does_not_have() -> None:
    refused = '[helo.actions]\nmalformed = "reject"\n'
    assert verdicts(refused, HONEST, HONEST._replace(helo=b"localhost")) == ["accepted", "rejected"]
    assert "helo_check" not in judged(refused, HONEST)[0]["found"]


@pytest.mark.parametrize(
    ("address", "name", "verdict"),
    [
        ("192.31.196.10", "mail.honest.example", "accepted"),
        ("192.31.196.20", "unknown", "greylisted"),
        ("2001:db8:6::25", "unknown", "greylisted"),
        ("::ffff:192.31.196.20", "unknown", "greylisted"),
        ("64:ff9b::c01f:c414", "unknown", "accepted"),
        ("192.31.196.20", "", "accepted"),
        ("10.0.0.1", "unknown", "accepted"),
        ("unknown", "unknown", "accepted"),
    ],
    ids=["named", "nameless", "of IPv6", "mapped", "translated", "postscreen's", "private", "no address"],
)
def test_without_dns_postfix_s_word_stands_in_for_reverse_dns(address: str, name: str, verdict: str) -> None:
    assert verdicts("", HONEST._replace(address=address.encode(), name=name.encode())) == [verdict]


def test_a_name_that_postfix_has_confirmed_is_a_group_of_the_greylist() -> None:
    elsewhere = HONEST._replace(at=60.0, address=b"198.51.100.7")
    assert verdicts(ALL, HONEST, elsewhere) == ["greylisted", "accepted"]
    assert verdicts(ALL, HONEST, elsewhere._replace(name=b"mail.other.example")) == ["greylisted", "greylisted"]


def test_of_what_postfix_calls_unknown_the_mildest_counts() -> None:
    settings = parse('[iprev.actions]\nfail = "reject"\npermerror = "accept"\n')[0].iprev
    assert mildest(settings, Origin.IPV4) == "permerror"
    assert mildest(parse("")[0].iprev, Origin.IPV6) == "fail"


def test_spf_and_dns_lists_count_for_nothing_without_dns() -> None:
    settings = '[[dnslist]]\nzone = "dnsbl.example"\naction = "reject"\n'
    assert [fields["found"] for fields in judged(settings, HONEST)] == ["iprev=pass"]


def test_who_has_authenticated_or_is_trusted_is_not_judged() -> None:
    own = NAMELESS._replace(address=b"127.0.0.1")
    told = judged(ALL, NAMELESS._replace(login=b"joe"), own)
    assert [fields["why"] for fields in told] == ["exempt authenticated", "exempt trusted"]


def test_the_admin_s_lists_count_as_they_are() -> None:
    settings = '[block]\nentries = ["192.31.196.10"]\n[allow]\nentries = ["192.31.196.20"]\n'
    assert verdicts(settings, HONEST, NAMELESS) == ["rejected", "accepted"]


def test_each_recipient_is_judged_and_those_who_come_in_are_told_of_together() -> None:
    several = (b"you@example.org", b"postmaster@example.org", b"abuse@example.org")
    told = judged(ALL, HONEST._replace(recipients=several))
    assert Counter(fields["observed"] for fields in told) == {"greylisted": 1, "": 1}
    assert told[1]["mail"] == "joe@honest.example> to=<postmaster@example.org>,<abuse@example.org"


def test_what_was_told_is_kept_of_the_last_attempt_alone() -> None:
    configuration, _ = parse(ALL)
    outcomes = Outcomes(lambda *_: None)
    judging = Judge(configuration, Records({}), admin_lists(configuration, print), outcomes, asks=True)  # type: ignore[arg-type]  # a fake
    with closing(judging) as judge:
        for number in range(10):
            judge.judge(HONEST._replace(at=float(number)))
    assert len(outcomes.told) == 1


def test_observe_mode_is_replayed_as_if_it_were_none() -> None:
    assert verdicts('mode = "observe"\n' + ALL, HONEST) == ["greylisted"]
