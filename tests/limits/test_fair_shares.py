"""Whoever takes all that he can get leaves room for others."""

from collections.abc import Callable, Iterable
from itertools import chain, count, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.limits.fair_shares import Claim, Shares, Turns
from rig.envelopes import TRANSLATOR

PLACES = 32


def claim(address: str = "192.31.196.10", *domains: str) -> Claim:
    return Claim(TRANSLATOR.client(address), domains)


def ipv4(number: int) -> str:
    """Return an address whose /24 and /16 no other number's shares."""
    return f"{20 + number // 200}.{number % 200}.0.1"


def greedy(shares: Shares, claims: Iterable[Claim], attempts: int = 1000) -> int:
    """Take all that there is to get, and return how many places that was."""
    return sum(shares.take(each) for each, _ in zip(claims, range(attempts), strict=False))


def one_network(n: int) -> Claim:
    return claim("192.31.196.10", f"silent{n}.example")


def one_site(n: int) -> Claim:
    return claim(f"2001:db8:6:{n:x}::25", f"silent{n}.example")


def one_provider(n: int) -> Claim:
    return claim(f"2001:db8:{n:x}::25", f"silent{n}.example")


def behind_one_translator(n: int) -> Claim:
    return claim(f"64:ff9b::c01f:c4{n % 256:02x}", f"silent{n}.example")


def invalid(n: int) -> Claim:
    return claim("64:ff9b::7f00:1", f"silent{n}.example")


def one_domain(n: int) -> Claim:
    return claim(ipv4(n), "silent.example")


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (one_network, PLACES // 2),
        (one_site, PLACES * 2 // 3 + 1),
        (one_provider, PLACES * 4 // 5 + 1),
        (behind_one_translator, PLACES // 2),
        (invalid, PLACES // 2),
        (one_domain, PLACES // 2),
    ],
)
def test_nobody_has_all_the_places_and_strangers_to_him_get_theirs_at_once(
    make: Callable[[int], Claim], most: int
) -> None:
    shares = Shares(PLACES)
    assert greedy(shares, map(make, count())) == most
    assert shares.take(claim("198.51.100.7", "honest.example", "mail.example"))


def test_many_clients_of_each_of_many_networks_leave_room_on_one_silent_domain() -> None:
    shares = Shares(PLACES)
    taken = greedy(shares, (one_domain(n) for n in chain.from_iterable(repeat(range(5), 40))))
    assert PLACES // 2 < taken < PLACES
    assert shares.take(claim("198.51.100.7", "honest.example"))


def test_a_client_alone_closes_no_domain_to_others() -> None:
    shares = Shares(PLACES)
    taken = greedy(shares, (claim("192.31.196.10", "honest.example") for _ in count()))
    assert taken == PLACES // 2
    assert shares.take(claim("198.51.100.7", "honest.example"))


def test_a_domain_that_has_answered_is_not_waited_for_any_more() -> None:
    shares = Shares(4)
    held = [claim(ipv4(n), "slow.example", "slow.example") for n in range(2)]
    assert all(map(shares.take, held))
    late = claim(ipv4(3), "slow.example")
    assert not shares.take(late)
    shares.answered(held[0], "slow.example")
    assert not shares.take(late)  # it is asked about in two ways
    shares.answered(held[0], "slow.example")
    assert shares.take(late)


def test_only_many_clients_of_many_networks_and_domains_fill_all_places() -> None:
    shares = Shares(PLACES)
    assert greedy(shares, (claim(ipv4(n), f"silent{n}.example") for n in count())) == PLACES
    assert not shares.take(claim("198.51.100.7", "honest.example"))


ADDRESSES = st.sampled_from(["192.31.196.10", "192.31.196.99", "192.31.7.1", "2001:db8::1", "2001:db8:1::1", "::", ""])
DOMAINS = st.lists(st.sampled_from(["a.example", "b.example", "c.example"]), max_size=3)


@given(st.lists(st.tuples(st.booleans(), ADDRESSES, DOMAINS), max_size=200), st.integers(1, 8))
def test_a_newcomer_gets_in_while_there_is_a_place_and_all_that_is_taken_comes_back(
    steps: list[tuple[bool, str, list[str]]], places: int
) -> None:
    shares, held = Shares(places), list[Claim]()
    for comes, address, domains in steps:
        if comes:
            each = claim(address, *domains)
            if shares.take(each):
                held.append(each)
        elif held:
            each = held.pop(0)
            if each.domains:
                shares.answered(each, each.domains[0])
            shares.give_back(each)
        assert shares.free == places - len(held) >= 0
        room = shares.free > 0
        newcomer = claim("198.51.100.7", "new.example")
        assert shares.take(newcomer) == room
        if room:
            shares.give_back(newcomer)
    for each in held:
        shares.give_back(each)
    assert (shares.free, shares._held, shares._waiting) == (places, {}, {})  # noqa: SLF001  that nothing piles up


def test_those_in_the_line_get_their_turn_when_there_is_a_place_for_them() -> None:
    turns: Turns[Claim] = Turns(2, 8)
    first, second, third = (claim(ipv4(n), "honest.example") for n in range(3))
    assert turns.take(first)
    assert not turns.take(second)  # for want of another domain
    assert turns.line_up(second)
    other = claim(ipv4(9))
    assert turns.take(other)
    assert turns.line_up(third)
    assert (turns.taken, turns.line) == ((2, 2), (2, 8))
    assert turns.answered(first, "honest.example") == []
    assert turns.leave(other) == [second]
    assert not turns.give_up(second)
    assert turns.give_up(third)
    assert (turns.taken, turns.line) == ((2, 2), (0, 8))
    assert turns.leave(first) == []


def test_the_line_has_room_for_others_too_and_calls_the_first_of_each_network_first() -> None:
    turns: Turns[Claim] = Turns(1, 8)
    holder = claim(ipv4(9))
    assert turns.take(holder)
    many = [claim() for _ in range(8)]
    assert [turns.line_up(each) for each in many] == [True] * 4 + [False] * 4
    other = claim(ipv4(1))
    assert turns.line_up(other)
    order = []
    for _ in range(3):
        [holder] = turns.leave(holder)
        order.append(holder)
    assert order == [many[0], other, many[1]]
