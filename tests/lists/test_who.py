import re
from ipaddress import IPv4Address, IPv6Address
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from milter64.address.translation_prefix import Prefix
from milter64.lists.mistakes import Mistake, Mistakes, NoMistakes
from milter64.lists.who import may_be, parse

MISTAKES = Mistakes([Prefix("64:ff9b::/96"), Prefix("3fff:64::/96"), Prefix("3fff:4400::/40"), Prefix("3fff:640::/64")])


@pytest.mark.parametrize(
    ("text", "kind", "same"),
    [
        ("192.0.2.0/24", "network", "192.0.2.0/24"),
        ("192.0.2.1", "network", "192.0.2.1/32"),
        ("2001:DB8::/32", "network", "2001:db8:0::/32"),
        ("2001:db8::1", "network", "2001:db8::1/128"),
        ("64:ff9b::c01f:c400/120", "network", "64:ff9b::192.31.196.0/120"),
        ("10.0.0.0/8", "network", "10.0.0.0/8"),
        ("127.0.0.1", "network", "127.0.0.1/32"),
        ("fc00::/7", "network", "FC00::/7"),
        ("fe80::/10", "network", "fe80:0::/10"),
        ("mail.partner.example", "name", ".mail.partner.example"),
        (".Partner.Example.", "name", "partner.example"),
        ("bücher.example", "name", "xn--bcher-kva.example"),
        ("4.partner.example", "name", ".4.partner.example"),
        ("@Partner.example", "domain", "@partner.example"),
        ("@.partner.example", "domain", "@.PARTNER.example."),
        ("@bücher.example", "domain", "@xn--bcher-kva.example"),
        ("Joe@Partner.example", "sender", "joe@partner.EXAMPLE"),
        ('"joe"@partner.example', "sender", "joe@partner.example"),
        ("joe@co.uk", "sender", "JOE@co.uk"),
        ("to:Joe@here.example", "recipient", "to:joe@HERE.example"),
        ("to:@here.example", "recipient", "to:@Here.Example"),
        ("to:@.here.example", "recipient", "to:@.here.example"),
        ("to:joe@localhost", "recipient", "to:joe@localhost"),
        ("@www.ck", "domain", "@www.ck"),
    ],
)
def test_who_is_of_a_kind_and_the_same_however_it_is_written(text: str, kind: str, same: str) -> None:
    who = parse(text, MISTAKES)
    assert who.kind == kind
    assert who == parse(same, MISTAKES)
    assert may_be(who.kind, [who.key])(same.encode())
    assert may_be(who.kind, [who.key])(text.encode())
    assert not may_be(who.kind, [who.key])(b"mail.elsewhere.test # ticket")


def written(address: IPv6Address) -> list[str]:
    """Return ways in which people write an address, or what is short for it."""
    groups = address.exploded.split(":")
    short = [f"{int(group, 16):X}" for group in groups]
    ways = [str(address), ":".join(groups), ":".join(short)]
    for start, end in combinations(range(9), 2):
        if not any(int(group, 16) for group in groups[start:end]):
            ways.append(f"{':'.join(short[:start])}::{':'.join(short[end:])}")
    v4 = f"{IPv4Address(address.packed[-4:])}"
    return [*ways, f"{':'.join(short[:6])}:{v4}"]


@given(st.binary(min_size=16, max_size=16), st.sets(st.integers(0, 7)))
@example(bytes(15) + b"\1", set())
@example(bytes.fromhex("00000001000200030004000500060007"), set())
def test_however_a_network_is_written_it_may_be_that_one(packed: bytes, zero: set[int]) -> None:
    address = IPv6Address(b"".join(bytes(2) if at in zero else packed[2 * at : 2 * at + 2] for at in range(8)))
    ways = written(address)
    who = parse(ways[0], NoMistakes())
    assert all(parse(way, NoMistakes()) == who for way in ways)
    assert all(may_be(who.kind, [who.key])(f"{way}/128 # why".encode()) for way in ways)


def test_a_domain_alone_and_with_those_below_are_two_and_so_are_a_sender_and_a_recipient() -> None:
    texts = ["@a.example", "@.a.example", "a.example", "x@a.example", "to:x@a.example", "to:@a.example"]
    assert len({parse(text, MISTAKES).key for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        (".com", "below com anybody may have a name", "such as partner.com"),
        ("co.uk", "below co.uk anybody", "partner.co.uk"),
        ("@co.uk", "below co.uk anybody", ""),
        ("@.github.io", "below github.io anybody", ""),
        ("anything.ck", "below anything.ck anybody", ""),
        ("localhost", "below localhost anybody", ""),
        ("64:ff9b::/96", "IPv4's, which stands behind 64:ff9b::/96", "write the IPv4 network itself"),
        ("64:ff9b::/64", "IPv4's", "write the IPv4 network itself"),
        ("64:ff9b::/97", "IPv4's", "write the IPv4 network itself"),
        ("64:ff9b::e000:0/102", "IPv4's", "write the IPv4 network itself"),
        ("64:ff9b:1::/48", "IPv4's, which stands behind 64:ff9b:1::/48", ""),
        ("3fff:64::/96", "IPv4's, which stands behind 3fff:64::/96", ""),
        ("3fff:64::/32", "IPv4's, which stands behind 3fff:64::/96", ""),
        ("3fff:4400:c0::/42", "IPv4's, which stands behind 3fff:4400::/40", ""),
        ("3fff:640::/76", "IPv4's, which stands behind 3fff:640::/64", ""),
        ("::/0", "IPv4's", "write the IPv4 network itself"),
        ("::ffff:0:0/96", "IPv4's, which stands behind ::ffff:0.0.0.0/96", ""),
        ("::ffff:192.0.0.0/100", "IPv4's", ""),
        ("0.0.0.0/0", "nearly everybody", "networks of /8 or longer"),
        ("128.0.0.0/1", "nearly everybody", ""),
        ("8.0.0.0/7", "nearly everybody", ""),
        ("2000::/3", "IPv4's", ""),
        ("2a00::/12", "nearly everybody", "networks of /16 or longer"),
        ("0.0.0.0/8", "no client has an address of 0.0.0.0/8", "leave it out"),
        ("224.0.0.0/4", "no client has an address", ""),
        ("255.255.255.255", "no client has an address", ""),
        ("192.0.0.0/29", "no client has an address", ""),
        ("ff02::1", "no client has an address", ""),
        ("::", "no client has an address", ""),
        ("192.0.2.1/24", "has bits set behind its length", "write 192.0.2.0/24, or 192.0.2.1 for this one alone"),
        ("2001:db8::1/64", "has bits set", "write 2001:db8::/64, or 2001:db8::1 for this one alone"),
        ("192.0.2.0/33", "no prefix length of 0 to 32", ""),
        ("192.0.2.0/", "no prefix length", ""),
        ("192.0.2.0/255.255.255.0", "no prefix length", ""),
        ("2001:db8::/129", "no prefix length of 0 to 128", ""),
        ("192.0.2", "192.0.2 is no network", "write 192.0.2.0/24"),
        ("192.0.2.*", "is no network", ""),
        ("192.0.2.1-9", "is no network", ""),
        ("010.1.1.1", "is no network", ""),
        ("2001:db8::g", "is no network", ""),
        ("https://partner.example", "is no network", ""),
        ("*.partner.example", "is no name", "write .partner.example"),
        ("@*.partner.example", "is no name", "write @.partner.example"),
        ("to:@*.here.example", "is no name", "write to:@.here.example"),
        ("*@partner.example", "is one who is called *", "leave the * out"),
        ("to:*@here.example", "is one who is called *", "leave the * out"),
        ("part..ner.example", "is no name", ""),
        ("-", "is no network", ""),
        ("a" * 64 + ".example", "is no name", ""),
        ("x." * 126 + "example", "is no name", ""),
        ("partner,example", "is no name", ""),
        ("partner.example.1", "is no name", ""),
        ("@", "is no name", ""),
        ("@partner example", "is no name", ""),
        ("joe@", "is no address", ""),
        ("joe@[192.0.2.1]", "is no name", ""),
        ("j@o@e@partner.example", "is no address", ""),
        ("to:", "is no address", "@partner.example for a whole domain"),
        ("to:joe", "is no address", ""),
        ("", "is no name", ""),
    ],
)
def test_what_is_none_or_cant_be_meant_is_refused_with_the_remedy(text: str, what: str, remedy: str) -> None:
    with pytest.raises(Mistake, match=re.escape(what)) as refusal:
        parse(text, MISTAKES)
    assert remedy in refusal.value.remedy


def test_what_is_never_asked_proves_nobody() -> None:
    with pytest.raises(Mistake, match=r"iprev\.enabled is false"):
        parse("partner.example", Mistakes(iprev=False))
    with pytest.raises(Mistake, match=r"spf\.enabled is false"):
        parse("@partner.example", Mistakes(spf=False))
    assert parse("to:@partner.example", Mistakes(iprev=False, spf=False))
