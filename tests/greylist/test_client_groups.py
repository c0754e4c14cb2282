from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.address.networks import pack
from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.dns.public_suffixes import registered_domain
from milter64.greylist.client_groups import groups, is_numbered
from milter64.greylist.pair import pair_key
from milter64.mail.finding import Finding


@pytest.mark.parametrize(
    ("sender", "same"),
    [
        pytest.param("News@Example.ORG", "News@example.org.", id="case of the domain"),
        pytest.param("joe@bücher.example", "joe@xn--bcher-kva.example", id="a domain of U-labels"),
        pytest.param("prvs=1234abcdef=joe@example.org", "joe@example.org", id="BATV"),
        pytest.param("PRVS=0987FEDCBA=joe@example.org", "prvs=1234abcdef=joe@example.org", id="BATV in capitals"),
        pytest.param("prvs=joe=1234abcdef@example.org", "joe@example.org", id="BATV, the tag last"),
        pytest.param("prvs=0763d9dd1=joe@example.org", "joe@example.org", id="BATV with a shorter tag"),
        pytest.param("btv1==760cdc7c545==joe@example.org", "joe@example.org", id="Barracuda's"),
        pytest.param("BTV1==34826e458e2==joe@example.org", "joe@example.org", id="Barracuda's in capitals"),
        pytest.param("msprvs1=18347GqWnOk6f=bounces-1-2@example.org", "bounces-1-2@example.org", id="SparkPost's"),
        pytest.param("SRS0=4Fj+=IX=a.example=joe@example.org", "SRS0=xZ/9=2K=a.example=joe@example.org", id="SRS0"),
        pytest.param("srs0=4fj+=ix=A.Example=joe@example.org", "SRS0=xZ/9=2K=a.example=joe@example.org", id="in lower"),
        pytest.param("SRS0+4Fj+=IX=a.example=joe@example.org", "SRS0-xZ/9=2K=a.example=joe@example.org", id="SRS0+, -"),
        pytest.param(
            "SRS1=ab12=b.example==4Fj+=IX=a.example=joe@example.org",
            "srs1=cd34=B.example==xZ/9=2K=a.example=joe@example.org",
            id="SRS1",
        ),
        pytest.param(
            "SRS1+ab12=b.example=-4Fj+=IX=a.example=joe@example.org",
            "SRS1-cd34=b.example=+xZ/9=2K=a.example=joe@example.org",
            id="SRS1 of other separators",
        ),
        pytest.param(
            "SRS0=4Fj=IX=a.example=prvs=1234abcdef=joe@example.org",
            "SRS0=xZ9=2K=a.example=prvs=0987fedcba=joe@example.org",
            id="a tag that was forwarded",
        ),
        pytest.param("bounces+SRS=44ldt=IX@example.org", "bounces+SRS=9xzab=2K@example.org", id="Exchange Online's"),
        pytest.param("bounce-1234-joe=example.com@lists.example", "bounce-99-joe=example.com@lists.example", id="VERP"),
    ],
)
def test_senders_that_are_the_same_to_the_greylist(sender: str, same: str) -> None:
    assert pair_key(sender, "u@lab.example") == pair_key(same, "u@LAB.example")


@pytest.mark.parametrize(
    ("sender", "other"),
    [
        ("News@example.org", "news@example.org"),
        ("user1@example.org", "user2@example.org"),
        ("", "@"),
        ("prvs=12=joe@example.org", "joe@example.org"),
        ("\udcff@example.org", "?@example.org"),
        ("prvs=1234abcdef=joe@example.org", "prvs=1234abcdef=ann@example.org"),
        ("prvs=1234abcdef=@example.org", "prvs=@example.org"),
        ("btv1==760cdc7c545==joe@example.org", "btv1==760cdc7c545==ann@example.org"),
        ("btv1==760cdc7c545==@example.org", "@example.org"),
        ("msprvs1=18347GqWnOk6f=bounces-1-2@example.org", "msprvs1=18347GqWnOk6f=bounces-3-2@example.org"),
        ("msprvs1=18347GqWnOk6f=@example.org", "@example.org"),
        ("SRS0=4Fj=IX=a.example=joe@example.org", "SRS0=4Fj=IX=a.example=ann@example.org"),
        ("SRS0=4Fj=IX=a1.example=joe@example.org", "SRS0=4Fj=IX=a2.example=joe@example.org"),
        ("SRS0=4Fj=IX=a.example=joe@example.org", "joe@example.org"),
        ("SRS0=4Fj=IX=a.example=@example.org", "@example.org"),
        ("SRS1=ab=b.example==4Fj=IX=a.example=joe@example.org", "SRS1=ab=c.example==4Fj=IX=a.example=joe@example.org"),
        ("SRS1=ab=b.example==4Fj=IX=a.example=joe@example.org", "SRS0=4Fj=IX=a.example=joe@example.org"),
        ("joe+SRS=44ldt=IX=a.example=joe@example.org", "ann+SRS=44ldt=IX=a.example=joe@example.org"),
        ("joe+SRS=44ldt=IX=a.example=joe@example.org", "joe+SRS=44ldt=IX=b.example=joe@example.org"),
    ],
)
def test_senders_that_differ_to_the_greylist(sender: str, other: str) -> None:
    assert pair_key(sender, "u@lab.example") != pair_key(other, "u@lab.example")


def test_a_bounce_to_a_tagged_recipient_is_one_to_whom_was_tagged() -> None:
    assert pair_key("", "prvs=1234abcdef=joe@lab.example") == pair_key("", "prvs=0987fedcba=joe@lab.example")
    assert pair_key("", "list-1=a@lab.example") != pair_key("", "list-2=a@lab.example")


alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyz"
hashes = st.text(f"{alphanumeric.upper()}{alphanumeric}+/", min_size=1, max_size=12)
days = st.text(alphanumeric, min_size=2, max_size=2)
batv = st.from_regex(r"[0-9]{4}[0-9a-fA-F]{6}", fullmatch=True)
locals_ = st.text(f"{alphanumeric}.+-_", min_size=1, max_size=20)
hosts = st.from_regex(r"[a-z0-9]{1,9}\.[a-z]{2,9}", fullmatch=True)


@st.composite
def tagging(draw: st.DrawFn) -> Callable[[str, str], str]:
    """Return a way to tag a local part and its host, with tags of another day each time that it is asked."""
    kind = draw(st.sampled_from(["prvs", "PRVS", "last", "btv1", "msprvs1", "SRS0", "srs0", "SRS1"]))
    separators = draw(st.sampled_from(["==", "=+", "+=", "--"]))
    forwarder = draw(hosts)

    def tagged(local: str, host: str) -> str:
        digest, day, tag = draw(hashes), draw(days), draw(batv)
        forwarded = f"{digest}={day}={host}={local}"
        match kind:
            case "last":
                return f"prvs={local}={tag}"
            case "btv1":
                return f"btv1=={tag}=={local}"
            case "msprvs1":
                return f"msprvs1={digest}={local}"
            case "SRS1":
                return f"SRS1{separators[0]}{draw(hashes)}={forwarder}={separators[1]}{forwarded}"
            case "prvs" | "PRVS":
                return f"{kind}={tag}={local}"
            case _:
                return f"{kind}{separators[0]}{forwarded}"

    return tagged


@given(tagging(), locals_, locals_, hosts)
def test_no_tag_tells_a_user_from_himself_and_none_takes_one_for_another(
    tagged: Callable[[str, str], str], local: str, other: str, host: str
) -> None:
    def key(user: str) -> str:
        return pair_key(f"{tagged(user, host)}@example.org", "u@lab.example")

    assert key(local) == key(local)
    assert f"{local}@example.org> <" in key(local)
    assert (key(local) == key(other)) is (local == other)


@given(st.text("=+-0123456789abcdefSRPVprvs1btm", max_size=60))
def test_no_local_part_is_emptied(local: str) -> None:
    assert pair_key(f"{local}@example.org", "u@lab.example").startswith("<@") is (not local)


def test_a_pair_of_monstrous_addresses_is_kept_as_a_digest() -> None:
    assert len(pair_key("x" * 1_000_000 + "@example.org", "u@lab.example")) == 64


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


V4, V6 = "192.31.196.10", "2001:db8:1::25"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("192-31-196-10.pool.example.net", V4, id="spelled"),
        pytest.param("host10.196.31.192.dsl.example.net", V4, id="backwards"),
        pytest.param("c01fc40a.example.net", V4, id="in hexadecimal"),
        pytest.param("ip192031196010.example.net", V4, id="padded, in one word"),
        pytest.param("h-010-196.example.net", V4, id="two octets, padded"),
        pytest.param("mail-196-10.example.net", V4, id="two octets"),
        pytest.param("dsl196x10.example.net", V4, id="two octets in one word"),
        pytest.param("host-31-42.example.net", "10.31.42.7", id="two octets in the middle"),
        pytest.param("c4-a.example.net", V4, id="two octets in hexadecimal"),
        pytest.param("hostc40a.example.net", V4, id="two octets in hexadecimal, in one word"),
        pytest.param("h0ac4.example.net", V4, id="two octets in hexadecimal, backwards"),
        pytest.param("host10.example.net", V4, id="the last octet, as the neighbours have theirs"),
        pytest.param("vps-10.example.net", V4, id="the last octet, apart"),
        pytest.param("nat-c8.example.net", "192.0.2.200", id="the last octet in hexadecimal"),
        pytest.param("vmi1234567.example.net", V4, id="a number of its own"),
        pytest.param("static-77abc9.cust.example.net", V4, id="a number among letters"),
        pytest.param("vps-1a2b3c4d.example.net", V4, id="an identifier"),
        pytest.param("li45-210.members.example.co.uk", "10.1.45.210", id="a number of the rack"),
        pytest.param("2001-db8-1--25.example.net", V6, id="IPv6, spelled"),
        pytest.param("2001-db8-1-0-0-0-0-25.example.net", V6, id="IPv6, in full"),
        pytest.param("20010db8000100000000000000000025.v6.example.net", V6, id="IPv6, padded"),
        pytest.param(f"{'.'.join('20010db8000100000000000000000025'[::-1])}.v6.example.net", V6, id="as in ip6.arpa"),
        pytest.param("f.d.b.9.7.5.3.1.v6.example.net", "2001:db8::1357:9bdf", id="IPv6, backwards by digit"),
        pytest.param("host-db8-25.example.net", V6, id="IPv6, two parts"),
        pytest.param("mx25.example.net", V6, id="IPv6, the last part"),
        pytest.param("node-beef.example.net", "2001:db8::beef", id="IPv6, the last part in letters"),
        pytest.param("node-cafebabe.example.net", "2001:db8::cafe:babe", id="IPv6, two parts in one word"),
    ],
)
def test_a_name_like_its_neighbours_is_a_numbered_hosts(name: str, address: str) -> None:
    assert is_numbered(name, pack(address))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("mail.example.net", V4, id="no number"),
        pytest.param("mx1.mail.example.co.uk", V4, id="a pool"),
        pytest.param("mx1.example.net", "192.0.2.1", id="a pool, and its first at .1"),
        pytest.param("mail-ed1-f41.example.net", V4, id="a pool by place and number"),
        pytest.param("mout-xforward.example.net", V4, id="a pool by name"),
        pytest.param("smtp-out-17.example.net", V4, id="a number of its own"),
        pytest.param("out3-smtp.example.net", V4, id="a word with a number"),
        pytest.param("mail.163.com", V4, id="a registered domain that is a number"),
        pytest.param("192-31-196-10.net", V4, id="a registered domain has an owner"),
        pytest.param("mail.example.net", V6, id="IPv6, no number"),
        pytest.param("mx1.example.net", "2001:db8::1", id="IPv6, a pool, and its first at ::1"),
        pytest.param("smtp-out-17.example.net", V6, id="IPv6, a number of its own"),
    ],
)
def test_a_mail_servers_name_is_none(name: str, address: str) -> None:
    assert not is_numbered(name, pack(address))


TEMPLATES = [
    "host-{3}.example.net",
    "h{2}x{3}.dyn.example.net",
    "{3}-{2}-{1}-{0}.rev.example.net",
    "ip{0:03}{1:03}{2:03}{3:03}.example.net",
    "{0:02x}{1:02x}{2:02x}{3:02x}.example.net",
    "{2:02x}-{3:02x}.example.net",
    "{3:02x}{2:02x}.example.net",
    "c{3}.r{2}.example.net",
    "u{4}.example.net",
]


@given(st.sampled_from(TEMPLATES), st.tuples(*[st.integers(10, 255)] * 4))
def test_none_of_a_network_of_numbered_hosts_is_in_the_group_of_all(
    template: str, octets: tuple[int, int, int, int]
) -> None:
    name = template.format(*octets, int.from_bytes(bytes(octets)))
    assert is_numbered(name, bytes(octets))


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
        ("co.uk", "co.uk"),
        ("", ""),
        ("mail.customer.github.io", "customer.github.io"),
        ("x.a.xn--55qx5d.cn", "a.xn--55qx5d.cn"),
    ],
)
def test_registered_domains_follow_the_public_suffix_list(name: str, domain: str) -> None:
    assert registered_domain(name) == domain
