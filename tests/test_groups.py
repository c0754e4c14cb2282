from dataclasses import replace

import pytest

from milter64.address import Prefix, Translator
from milter64.groups import groups, pair, registered_domain, spells
from milter64.networks import pack
from milter64.verdict import Finding


@pytest.mark.parametrize(
    ("sender", "same"),
    [
        ("News@Example.ORG", "News@example.org."),
        ("prvs=1234abcdef=joe@example.org", "joe@example.org"),
        ("PRVS=0987fedcba=joe@example.org", "prvs=1234abcdef=joe@example.org"),
        ("bounce-1234-joe=example.com@lists.example", "bounce-99-joe=example.com@lists.example"),
    ],
)
def test_senders_that_are_the_same_to_the_greylist(sender: str, same: str) -> None:
    assert pair(sender, "u@lab.example") == pair(same, "u@LAB.example")


@pytest.mark.parametrize(
    ("sender", "other"),
    [
        ("News@example.org", "news@example.org"),
        ("user1@example.org", "user2@example.org"),
        ("", "@"),
        ("prvs=12=joe@example.org", "joe@example.org"),
        ("\udcff@example.org", "?@example.org"),
    ],
)
def test_senders_that_differ_to_the_greylist(sender: str, other: str) -> None:
    assert pair(sender, "u@lab.example") != pair(other, "u@lab.example")


def test_a_pair_of_monstrous_addresses_is_kept_as_a_digest() -> None:
    assert len(pair("x" * 1_000_000 + "@example.org", "u@lab.example")) == 64


CLIENT = Translator([Prefix("64:ff9b::/96")]).client("64:ff9b::c01f:c40a")
MAILFROM = Finding(check="spf", property="smtp.mailfrom", result="pass", facts=(("domain", "example.org"),))
HELO = Finding(check="spf", property="smtp.helo", result="pass", facts=(("domain", "mail.example.net"),))
IPREV = Finding(check="iprev", property="policy.iprev", result="pass", facts=(("name", "mx1.mail.example.co.uk"),))


@pytest.mark.parametrize(
    ("findings", "sender", "proven"),
    [
        ([MAILFROM, HELO, IPREV], "a@example.org", {"spf:example.org", "rdns:example.co.uk"}),
        ([MAILFROM, HELO], "", {"spf:mail.example.net"}),
        ([replace(MAILFROM, result="softfail"), HELO], "a@example.org", set()),
        ([replace(MAILFROM, facts=(("domain", "example.org"), ("broad", "+all")))], "a@example.org", set()),
        ([replace(IPREV, result="fail")], "a@example.org", set()),
        ([replace(IPREV, facts=(("name", "192-31-196-10.pool.example.net"),))], "a@example.org", set()),
    ],
)
def test_the_groups_that_findings_prove(findings: list[Finding], sender: str, proven: set[str]) -> None:
    assert groups(CLIENT, sender, {finding.key: finding for finding in findings}) == proven


@pytest.mark.parametrize(
    ("name", "address", "spelt"),
    [
        ("192-31-196-10.pool.example.net", "192.31.196.10", True),
        ("host10.196.31.192.dsl.example.net", "192.31.196.10", True),
        ("c01fc40a.example.net", "192.31.196.10", True),
        ("ip192031196010.example.net", "192.31.196.10", True),
        ("mx10.example.net", "192.31.196.10", False),
        ("mail-196-10.example.net", "192.31.196.10", False),
        ("2001-db8--25.example.net", "2001:db8::25", True),
        ("2001-db8-0-0-0-0-0-25.example.net", "2001:db8::25", True),
        ("20010db8000000000000000000000025.v6.example.net", "2001:db8::25", True),
        ("mail.example.net", "2001:db8::25", False),
    ],
)
def test_a_name_that_spells_the_address_is_known(name: str, address: str, spelt: bool) -> None:  # noqa: FBT001  a column
    assert spells(name, pack(address)) is spelt


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("mx1.mail.example.org", "example.org"),
        ("mx.Example.CO.UK.", "example.co.uk"),
        ("a.b.unlisted", "b.unlisted"),
        ("www.ck", "www.ck"),
        ("x.y.z.kawasaki.jp", "y.z.kawasaki.jp"),
        ("x.city.kawasaki.jp", "city.kawasaki.jp"),
        ("localhost", "localhost"),
    ],
)
def test_registered_domains_follow_the_public_suffix_list(name: str, domain: str) -> None:
    assert registered_domain(name) == domain
