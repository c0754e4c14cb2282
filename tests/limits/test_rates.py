"""What counts against whom, and that no flood makes the table forget those who have taken much."""

from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest

from milter64.address.networks import unpack
from milter64.limits.rate_table import RateTable
from milter64.limits.rates import Rates, levels
from milter64.limits.settings import LEVELS, Rate, Settings
from rig.envelopes import TRANSLATOR

HOUR = 3600.0


def limits(**counts: int) -> dict[str, Rate]:
    """Return limits for an hour, by levels written like `ipv4_24`."""
    return {level.replace("_", "/"): Rate(count=count, seconds=HOUR) for level, count in counts.items()}


def standing_still() -> float:
    return 1_000_000.0


def rates(settings: Settings, room: int = 2**16) -> Rates:
    return Rates(settings, RateTable(room, standing_still))


def recipients(of: Rates, address: str, attempts: int = 100) -> int:
    """Return how many of so many recipients are let through."""
    return sum(of.recipient(TRANSLATOR.client(address)) is None for _ in range(attempts))


def test_a_limit_that_is_used_up_is_found_with_its_network_and_the_seconds_to_wait() -> None:
    of = rates(Settings(recipients=limits(ipv4_24=10)))
    assert recipients(of, "64:ff9b::c01f:c40a") == 10
    found = of.recipient(TRANSLATOR.client("192.31.196.99"))
    assert found
    assert (found.key, found.result) == (("rate", "recipients"), "ipv4/24")
    assert dict(found.facts) == {"network": "192.31.196.0/24", "seconds": "360"}
    assert of.recipient(TRANSLATOR.client("64:ff9b::c01f:c50a")) is None


@pytest.mark.parametrize(
    ("client", "same", "other"),
    [
        ({"ipv4_32": 5}, "192.31.196.10", "192.31.196.11"),
        ({"ipv4_24": 5}, "192.31.196.200", "192.31.197.10"),
        ({"ipv6_128": 5}, "2001:db8:1:2:3::4", "2001:db8:1:2:3::5"),
        ({"ipv6_64": 5}, "2001:db8:1:2::5", "2001:db8:1:3::4"),
        ({"ipv6_56": 5}, "2001:db8:1:ff::1", "2001:db8:1:100::1"),
        ({"ipv6_48": 5}, "2001:db8:1:ffff::1", "2001:db8:2::"),
        ({"ipv6_32": 5}, "2001:db8:ffff::1", "2001:db9:1:2:3::4"),
    ],
)
def test_a_network_is_counted_as_one_after_decoding_and_its_neighbour_apart(
    client: dict[str, int], same: str, other: str
) -> None:
    of = rates(Settings(recipients=limits(**client)))
    first = "64:ff9b::c01f:c40a" if "." in same else "2001:db8:1:2:3::4"
    assert recipients(of, first) == 5
    assert recipients(of, same) == 0
    assert recipients(of, other) == 5


def test_the_address_of_one_who_hides_counts_alone_and_no_address_counts_for_nothing() -> None:
    every = limits(**{level.replace("/", "_"): 5 for level in LEVELS})
    of = rates(Settings(recipients=every))
    for alone in ("64:ff9b::7f00:1", "64:ff9b:1::1"):  # invalid, and undecoded
        assert list(levels(TRANSLATOR.client(alone))) == ["ipv6/128"]
        assert recipients(of, alone) == 5
    assert recipients(of, "64:ff9b:1::2") == 5, "though it is in the same /64"
    assert list(levels(TRANSLATOR.client(None))) == []
    assert recipients(of, "", attempts=100) == 100


def test_sessions_recipients_and_those_refused_are_counted_apart_and_the_last_look_at_the_recipients() -> None:
    of = rates(Settings(sessions=limits(ipv4_32=2), recipients=limits(ipv4_32=7), refused_recipients=limits(ipv4_32=3)))
    client = TRANSLATOR.client("192.31.196.10")
    assert [of.session(client) is None for _ in range(3)] == [True, True, False]
    for _ in range(2):
        of.refused(client)
    assert recipients(of, client.address, attempts=5) == 5
    for _ in range(50):
        of.refused(client)
    found = of.recipient(client)
    assert found
    assert (found.property, found.fact("seconds")) == ("refused_recipients", "1200")


def test_kinds_without_a_limit_take_no_counter() -> None:
    of = rates(Settings(sessions=limits(ipv6_64=1)))
    assert recipients(of, "2001:db8::1") == 100
    assert of.session(TRANSLATOR.client("192.31.196.10")) is None
    of.refused(TRANSLATOR.client("2001:db8::1"))
    assert of.bound[0] == 0


def test_other_limits_on_the_same_table_forget_nothing() -> None:
    table = RateTable(clock=standing_still)
    before = Rates(Settings(recipients=limits(ipv4_32=60)), table)
    assert recipients(before, "192.31.196.10", attempts=50) == 50
    after = Rates(Settings(sessions=limits(ipv4_24=1), recipients=limits(ipv4_32=80, ipv4_24=100)), table)
    assert recipients(after, "192.31.196.10") == 30
    assert recipients(before, "192.31.196.10") == 0


def of_one_provider() -> Iterator[bytes]:
    """Yield addresses of one /32, each in a /48 of its own as long as there are any, then again."""
    return (b"\x20\x01\x0d\xb8" + (n % 2**16).to_bytes(2) + n.to_bytes(10) for n in count())


def of_many_providers() -> Iterator[bytes]:
    return ((0x20020000 + n % 5000).to_bytes(4) + n.to_bytes(12) for n in count())


def of_ipv4() -> Iterator[bytes]:
    return ((0x20000000 + n * 251 % 2**29).to_bytes(4) for n in count())


@pytest.mark.slow
@pytest.mark.parametrize("flood", [of_one_provider, of_many_providers, of_ipv4])
def test_a_flood_stays_in_its_memory_and_makes_the_table_forget_nobody_who_has_taken_much(
    flood: Callable[[], Iterator[bytes]],
) -> None:
    """In the small: the table has a hundredth of its size, and there are ten addresses for each counter."""
    narrow = limits(ipv4_32=60, ipv6_128=60, ipv6_64=60, ipv6_56=60, ipv6_48=60)
    of = rates(Settings(recipients=narrow), room=2**18)
    honest = [f"192.31.{n}.10" for n in range(20)] + [f"2a01:{n:x}::25" for n in range(20)]
    for each in honest:
        assert recipients(of, each, attempts=50) == 50
    for address in islice(flood(), 60_000):
        of.recipient(TRANSLATOR.client(unpack(address)))
    assert [recipients(of, each) for each in honest] == [10] * len(honest)
    used, room = of.bound
    assert used <= room < 2**18 / 24


def of_one_ipv4_16() -> Iterator[bytes]:
    return ((0x20000000 + n * 251 % 2**16).to_bytes(4) for n in count())


@pytest.mark.parametrize(
    ("flood", "narrow", "wide", "all_told"),
    [
        (of_one_provider, {"ipv6_128": 2, "ipv6_64": 2, "ipv6_48": 2}, {"ipv6_32": 2000}, 2000),
        (of_one_ipv4_16, {"ipv4_32": 2}, {"ipv4_24": 100}, 256 * 100),
    ],
)
def test_a_wide_network_is_not_forgotten_for_all_the_narrow_ones_in_it(
    flood: Callable[[], Iterator[bytes]], narrow: dict[str, int], wide: dict[str, int], all_told: int
) -> None:
    """One recipient of a narrow one weighs more than dozens of a wide one do."""
    of = rates(Settings(recipients=limits(**narrow, **wide)))
    found = (of.recipient(TRANSLATOR.client(unpack(address))) for address in islice(flood(), 30_000))
    assert sum(each is None for each in found) == all_told
