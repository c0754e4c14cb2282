"""What lists say of a client, a sender and a recipient, and what DNS may add to it."""

from collections.abc import Callable, Mapping

import pytest

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.lists.admin_lists import AdminLists, Written
from milter64.lists.index import Index, reader
from milter64.lists.listed import SPARED, Listed
from milter64.lists.mistakes import Mistakes
from milter64.mail.finding import Finding, Key
from milter64.mail.session import Envelope, Session
from milter64.mail.spares import Spares

IPREV: Key = ("iprev", "policy.iprev")
SPF: Key = ("spf", "smtp.mailfrom")
TRANSLATOR = Translator([Prefix("64:ff9b::/96"), Prefix("3fff:64::/96")], gateways=["2001:db8::9"])


def lists(block: str = "", allow: str = "", now: float = 0.0, clock: Callable[[], float] | None = None) -> AdminLists:
    def written(text: str, *, blocks: bool) -> list[Written]:
        index = Index(text.replace("; ", "\n").encode(), reader(Mistakes(), blocks=blocks))
        assert not index.wrong
        return [Written("configuration", index)]

    return AdminLists(written(block, blocks=True), written(allow, blocks=False), clock=clock or (lambda: now))


def one(check: str, entry: str) -> AdminLists:
    return lists(entry) if check == "block" else lists(allow=entry)


def envelope(wire: str = "192.31.196.10", sender: str = "joe@partner.example", helo: str = "helo.example") -> Envelope:
    session = Session(token="T", client=TRANSLATOR.client(wire), port=0, helo=helo, mta="mta.example.net")
    return Envelope(session=session, sender=sender, login="")


def known(
    iprev: str = "", spf: str = "", *, name: str = "mail.partner.example", broad: str = ""
) -> Mapping[Key, Finding]:
    """Return findings of these results; without any the questions are open."""
    facts = [("broad", broad)] if broad else []
    found = {}
    if iprev:
        found[IPREV] = Finding(check=IPREV[0], property=IPREV[1], result=iprev, facts=(("name", name),))
    if spf:
        found[SPF] = Finding(check=SPF[0], property=SPF[1], result=spf, facts=tuple(facts))
    return found


ALL_KNOWN = known("fail", "fail")


def said(listed: Listed) -> list[tuple[str, str, str, str]]:
    return [(each.check, each.property, each.result, each.reason) for each in listed.findings]


@pytest.mark.parametrize(
    ("wire", "network", "matches"),
    [
        ("192.31.196.10", "192.31.196.0/24", True),
        ("192.31.196.10", "192.31.196.10", True),
        ("192.31.196.10", "192.31.196.11", False),
        ("192.31.196.10", "192.31.192.0/18", True),
        ("192.31.196.10", "192.31.197.0/24", False),
        ("64:ff9b::192.31.196.10", "192.31.196.0/24", True),
        ("64:ff9b::192.31.196.10", "64:ff9b::192.31.196.0/120", True),
        ("64:ff9b::192.31.197.10", "64:ff9b::192.31.196.0/120", False),
        ("3fff:64::192.31.196.10", "192.31.196.10", True),
        ("::ffff:192.31.196.10", "192.31.196.0/24", True),
        ("2001:db8:1::1", "2001:db8:1::/48", True),
        ("2001:db8:1::1", "2001:db8:1::1", True),
        ("2001:db8:2::1", "2001:db8:1::/48", False),
        pytest.param("10.1.2.3", "10.0.0.0/8", True, id="private, and on the wire"),
        pytest.param("::ffff:10.1.2.3", "10.0.0.0/8", True, id="private, as a socket shows it"),
        pytest.param("3fff:64::10.1.2.3", "10.0.0.0/8", False, id="private behind a translator"),
        pytest.param("3fff:64::10.1.2.3", "8.0.0.0/8", False, id="beside"),
        pytest.param("3fff:64::10.1.2.3", "3fff:64::10.0.0.0/104", True, id="private, named as it is on the wire"),
        pytest.param("3fff:64::198.18.0.1", "198.18.0.0/15", False, id="of benchmarks, behind a translator"),
        pytest.param("64:ff9b::127.0.0.1", "127.0.0.0/8", False, id="nobody's loopback"),
        pytest.param("64:ff9b::127.0.0.1", "64:ff9b::127.0.0.0/112", True, id="invalid, by the wire"),
        pytest.param("64:ff9b:1::192.31.196.10", "192.31.196.0/24", False, id="undecoded"),
        pytest.param("64:ff9b:1::192.31.196.10", "64:ff9b:1::192.31.196.0/120", True, id="undecoded, by the wire"),
        pytest.param("2001:db8::9", "2001:db8::/48", False, id="masked"),
        pytest.param("", "192.31.196.0/24", False, id="unknown"),
    ],
)
def test_a_network_matches_the_decoded_address_and_the_one_on_the_wire(
    wire: str, network: str, *, matches: bool
) -> None:
    of_sender = lists(block=network).of_sender(envelope(wire), ALL_KNOWN)
    assert said(of_sender) == ([("block", "network", "listed", network)] if matches else [])
    assert not of_sender.may_block


@pytest.mark.parametrize(
    ("entry", "iprev", "name", "matches"),
    [
        ("mail.partner.example", "pass", "mail.partner.example", True),
        (".partner.example", "pass", "Mail.Partner.Example.", True),
        ("partner.example", "pass", "partner.example", True),
        ("partner.example", "pass", "evilpartner.example", False),
        ("mail.partner.example", "pass", "partner.example", False),
        ("partner.example", "fail", "mail.partner.example", False),
        ("partner.example", "temperror", "mail.partner.example", False),
        pytest.param("partner.example", "pass", r"evil\.partner.example", False, id="a dot within a label"),
    ],
)
def test_a_name_matches_the_confirmed_one_and_those_below(entry: str, iprev: str, name: str, *, matches: bool) -> None:
    of_sender = lists(allow=entry).of_sender(envelope(), known(iprev, "fail", name=name))
    assert said(of_sender) == ([("allow", "name", "greylist", entry)] if matches else [])


def test_a_name_that_dns_gave_no_answer_about_may_still_match() -> None:
    both = lists(block="partner.example", allow="partner.example spares=all")
    assert both.of_sender(envelope(), known("temperror", "pass")) == both.of_sender(envelope(), {SPF: ALL_KNOWN[SPF]})
    assert both.of_sender(envelope(), known("temperror", "pass")).may_spare


@pytest.mark.parametrize("check", ["block", "allow"])
@pytest.mark.parametrize(
    ("entry", "matches"),
    [("a.example.org", True), ("partner.example", True), ("c.example.net", True), ("other.example", False)],
)
def test_of_several_names_that_lead_back_each_matches(check: str, entry: str, *, matches: bool) -> None:
    names = tuple(("name", name) for name in ("a.example.org", "b.partner.example", "c.example.net"))
    found = Finding(check=IPREV[0], property=IPREV[1], result="pass", facts=names)
    listed = one(check, entry).of_sender(envelope(), {IPREV: found, SPF: ALL_KNOWN[SPF]})
    assert bool(said(listed)) is matches


def test_who_has_a_name_that_dns_gave_no_answer_about_matches_by_the_others_and_may_by_that_one() -> None:
    facts = (("name", "mail.partner.example"), ("unheard", "mx.example.org"))
    found = Finding(check=IPREV[0], property=IPREV[1], result="pass", facts=facts)
    both = lists(block="partner.example", allow="example.org spares=all")
    listed = both.of_sender(envelope(), {IPREV: found, SPF: ALL_KNOWN[SPF]})
    assert said(listed) == [("block", "name", "listed", "partner.example")]
    assert listed.may_spare == {IPREV: Spares.ALL}


def test_no_name_matches_that_helo_or_a_sender_says() -> None:
    says_so = envelope(sender="joe@partner.example", helo="partner.example")
    both = lists(block="partner.example", allow="partner.example")
    assert said(both.of_sender(says_so, ALL_KNOWN)) == []


@pytest.mark.parametrize(
    ("entry", "kind", "matches"),
    [
        ("@partner.example", "domain", True),
        ("@.partner.example", "domain", True),
        ("@.example.org", "domain", False),
        ("joe@partner.example", "sender", True),
        ("JOE@partner.example", "sender", True),
        ("jane@partner.example", "sender", False),
        ("@mail.partner.example", "domain", False),
    ],
)
@pytest.mark.parametrize("check", ["block", "allow"])
def test_a_sender_matches_by_spf_pass_and_by_nothing_else(check: str, entry: str, kind: str, *, matches: bool) -> None:
    in_force = one(check, entry)
    for result in ("none", "neutral", "softfail", "fail", "permerror"):
        assert in_force.of_sender(envelope(), known("pass", result)) == Listed(may_block=frozenset(), may_spare={})
    assert in_force.of_sender(envelope(), known("pass", "temperror")) == in_force.of_sender(envelope(), {})
    result = "listed" if check == "block" else "greylist"
    assert said(in_force.of_sender(envelope(), known("fail", "pass"))) == (
        [(check, kind, result, entry)] if matches else []
    )


def test_a_domain_below_matches_where_the_entry_says_so() -> None:
    below = envelope(sender="joe@news.partner.example")
    assert not lists(block="@partner.example").of_sender(below, known("fail", "pass")).findings
    assert lists(block="@.partner.example").of_sender(below, known("fail", "pass")).findings


def test_the_null_sender_and_one_who_cant_be_told_match_nobody() -> None:
    in_force = lists(block="@partner.example; joe@partner.example", allow="@.partner.example")
    null = envelope(sender="", helo="partner.example")
    assert in_force.of_sender(null, known("fail", "pass")) == in_force.of_sender(null, {}) == Listed(may_spare={})
    unreadable = Envelope(session=null.session, sender="joe@partner.example", login="", readable=False)
    assert in_force.of_sender(unreadable, known("fail", "pass")) == Listed(may_spare={})


def test_who_lets_all_the_world_send_proves_nobody_to_be_let_in_and_may_be_kept_out() -> None:
    in_force = lists(block="@partner.example", allow="@partner.example")
    by_all, by_exists = (known("fail", "pass", broad=broad) for broad in ("all", "exists"))
    assert [each.check for each in in_force.of_sender(envelope(), by_all).findings] == ["block"]
    assert [each.check for each in in_force.of_sender(envelope(), by_exists).findings] == ["block", "allow"]


@pytest.mark.parametrize(
    ("recipient", "entry"),
    [
        ("you@here.example", "to:you@here.example"),
        ("You@here.example", "to:yOU@Here.example"),
        ("you@here.example", "to:@here.example"),
        ("you@a.here.example", "to:@.here.example"),
        ("you@a.here.example", "to:@here.example"),
        ("me@here.example", "to:you@here.example"),
        ("you@here.example", "you@here.example"),
        ("you", "to:@here.example"),
    ],
)
def test_a_recipient_matches_without_dns(recipient: str, entry: str) -> None:
    matches = recipient.lower().endswith(entry.lower().removeprefix("to:").replace("@.", ".")) and "to:" in entry
    for check, result in (("block", "listed"), ("allow", "greylist")):
        in_force = one(check, entry)
        assert said(in_force.of_recipient(recipient)) == ([(check, "recipient", result, entry)] if matches else [])
        assert not in_force.of_sender(envelope(sender=recipient), known("fail", "pass")).findings or "to:" not in entry


@pytest.mark.parametrize(
    ("block", "allow", "may_block", "may_spare"),
    [
        ("", "", set(), {}),
        ("192.0.2.0/24", "to:you@here.example", set(), {}),
        ("other.example", "", {IPREV}, {}),
        ("", "other.example", set(), {IPREV: "greylist"}),
        ("", "other.example spares=all; x.example", set(), {IPREV: "all greylist"}),
        ("@partner.example", "", {SPF}, {}),
        ("joe@partner.example", "@.partner.example spares=spf", {SPF}, {SPF: "spf"}),
        ("", "@partner.example spares=spf; joe@partner.example", set(), {SPF: "spf greylist"}),
        ("@other.example", "@other.example; jane@partner.example", set(), {}),
        ("other.example until=1970-01-01T00:01:40Z", "@partner.example until=1970-01-01T00:01:40Z", set(), {}),
    ],
)
def test_what_dns_may_add_is_asked_while_it_isnt_known(
    block: str, allow: str, may_block: set[Key], may_spare: Mapping[Key, str]
) -> None:
    in_force = lists(block, allow, now=100.0)
    wanted = {key: _all(results) for key, results in may_spare.items()}
    assert in_force.of_sender(envelope(), {}) == Listed(may_block=frozenset(may_block), may_spare=wanted)
    assert in_force.of_sender(envelope(), ALL_KNOWN) == Listed(may_spare={})


def _all(results: str) -> Spares:
    spares = Spares.NOTHING
    for result in results.split():
        spares |= SPARED[result]
    return spares


def test_all_that_entries_of_a_kind_spare_counts_and_of_those_alike_the_narrowest_is_told() -> None:
    networks = "192.31.0.0/16 spares=spf; 192.31.196.0/24; 192.31.196.10; 192.31.196.0/25 spares=spf"
    assert said(lists(allow=networks).of_sender(envelope(), ALL_KNOWN)) == [
        ("allow", "network", "greylist", "192.31.196.10"),
        ("allow", "network", "spf", "192.31.196.0/25"),
    ]


def test_an_entry_counts_no_more_from_the_second_on_in_which_it_runs_out() -> None:
    entry = "192.31.196.10 until=1970-01-01T00:01:40Z"
    for now, counts in ((99.9, True), (100.0, False)):
        others = "192.31.197.10; to:me@here.example"
        allowed = f"to:you@here.example {entry.partition(' ')[2]}; to:me@here.example"
        in_force = lists(f"{entry}; {others}", allowed, now)
        assert bool(in_force.of_sender(envelope(), ALL_KNOWN).findings) is counts
        assert bool(in_force.of_recipient("you@here.example").findings) is counts


def test_there_is_another_edition_when_an_entry_runs_out_and_not_before_or_after() -> None:
    now = [0.0]
    ends = "192.0.2.1 until=1970-01-02; 192.0.2.2 until=1970-01-03; 192.0.2.3 until=1970-01-04"
    in_force = lists(block=ends, clock=lambda: now[0])
    editions = []
    for day in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5):
        now[0] = day * 86400
        in_force._end()  # noqa: SLF001  as the service does, more often
        editions.append(in_force.edition)
    assert editions == [2, 2, 3, 3, 4, 4]


def test_what_the_log_is_told_of_a_match_is_its_comment_and_where_it_is() -> None:
    for entry, aside in (
        ("192.31.196.10", "configuration"),
        ("192.31.196.10 # ticket 12, für sie", "ticket 12, f?r sie, configuration"),
        (f"192.31.196.10 # {'x' * 200}", f"{'x' * 147}..., configuration"),
    ):
        (finding,) = lists(block=entry).of_sender(envelope(), ALL_KNOWN).findings
        assert finding.facts == (("aside", aside),)
