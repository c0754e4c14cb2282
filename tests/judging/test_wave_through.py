"""Who has passed often isn't made to wait any more: played through the engine, by all the ways of one sender."""

from collections.abc import Callable, Iterator, Mapping
from itertools import count

import pytest

from milter64.greylist.row import Record
from milter64.greylist.wave_through import credit, earned, register, written
from rig.court import PATIENT, Court
from rig.envelopes import TRANSLATOR
from rig.records import Records, zone

POOL = [f"192.31.196.{number}" for number in range(100, 115)]
ZONE = zone(f"""
    pool.example TXT v=spf1 ip4:192.31.196.96/27 ip6:2001:db8:5::/64 -all
    open.example TXT v=spf1 +all
    wide.example TXT v=spf1 ip4:192.0.0.0/8 -all
    macro.example TXT v=spf1 a:%{{i}}.macro.example -all
    192.31.196.100.macro.example A 192.31.196.100
    2.0.0.1.0.d.b.8.0.0.0.9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.macro.example AAAA 2001:db8:9::1
    soft.example TXT v=spf1 ip4:{POOL[0]} ~all
    *.pool.example A 192.31.196.1
""")
EVERYBODY = PATIENT + 'apply = "all"\nwave_through = 3\nwave_over = "2d"\n'
DAY = 86400.0


class Days:
    """A court whose time a test decides."""

    def __init__(self, settings: str = EVERYBODY) -> None:
        self.court = Court(settings, records=Records(ZONE))
        self.now = 1_800_000_000.0
        self.court.engine._greylist.now = lambda: self.now  # noqa: SLF001  its clock
        self._ids = count()

    def send(self, address: str, sender: str, recipient: str) -> str:
        """Offer a message, and take note of its acceptance as the mail server would."""
        transaction = self.court.begin(address, sender, "host.pool.example")
        answer = self.court.judge(transaction, recipient)
        if answer == "yes" and (answer := self.court.end(transaction)) == "yes":
            self.court.engine.accepted(transaction, f"Q{next(self._ids)}")
        return answer

    def note(self, group: str, recipient: str, now: float) -> None:
        """Note that a message of a group has passed."""
        settings, before = self.court.settings.greylist, self.court.store.read(group)
        for key, rows in written(group, before, credit(before, recipient, now, settings), settings):
            self.court.store.merge(key, rows)

    def pass_greylist(self, address: str, sender: str, recipient: str) -> None:
        assert self.send(address, sender, recipient) == "450 4.7.1"
        self.now += 120
        assert self.send(address, sender, recipient) == "yes"

    def earn(self, addresses: Iterator[str], sender: Callable[[int], str]) -> None:
        """Pass for three recipients over two days, as a newcomer to each of them."""
        for number in range(3):
            self.pass_greylist(next(addresses), sender(number), f"member{number}@lab.example")
            self.now += 1.1 * DAY


def same(address: str) -> Iterator[str]:
    while True:
        yield address


def pool() -> Iterator[str]:
    yield from POOL


def dual_stack() -> Iterator[str]:
    yield from ("2001:db8:5::1", POOL[3], "64:ff9b::c01f:c468", "2001:db8:5::9", POOL[7])


SENDERS: dict[str, Callable[[int], str]] = {
    "plain": lambda _: "news@pool.example",
    "VERP": lambda number: f"bounces-{number * 7919}-member{number}=lab.example@pool.example",
    "BATV prvs": lambda number: f"prvs={number}123abcdef=news@pool.example",
    "BATV btv1": lambda number: f"btv1==0{number}3456789==news@pool.example",
    "BATV msprvs1": lambda number: f"msprvs1=1784{number}Xyz=news@pool.example",
    "SRS0": lambda number: f"SRS0=aB{number}d=7Q=elsewhere.example=joe{number}@pool.example",
    "SRS1": lambda number: f"SRS1=xY{number}z=other.example==aBcd=7Q=elsewhere.example=joe{number}@pool.example",
}


@pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize(
    "addresses",
    [lambda: same(POOL[0]), lambda: same("64:ff9b::c01f:c468"), pool, dual_stack],
    ids=["one host", "through NAT64", "a pool that repeats none", "dual stack"],
)
def test_a_sender_who_has_passed_often_need_not_wait_for_a_new_recipient(
    addresses: Callable[[], Iterator[str]], sender: Callable[[int], str]
) -> None:
    days, from_where = Days(), addresses()
    days.earn(from_where, sender)
    assert days.send(next(from_where), sender(8), "newcomer@lab.example") == "yes"


def test_before_it_has_earned_it_each_new_recipient_costs_a_wait() -> None:
    days = Days()
    days.pass_greylist(POOL[0], "news@pool.example", "member0@lab.example")
    days.pass_greylist(POOL[0], "news@pool.example", "member1@lab.example")
    days.now += 3 * DAY
    days.pass_greylist(POOL[0], "news@pool.example", "newcomer@lab.example")


@pytest.mark.parametrize(
    ("sender", "stranger"),
    [
        ("news@open.example", "2001:db8:9::1"),  # +all: whoever it is, it passes
        ("news@wide.example", "192.31.7.7"),  # a network that is wider than a sender's own
        ("news@macro.example", "2001:db8:9::1"),  # by its macros it has a name for everybody
        ("news@none.example", "2001:db8:9::1"),  # no SPF: the address alone
        ("", "2001:db8:9::1"),
    ],
)
def test_nothing_that_strangers_share_earns_anything(sender: str, stranger: str) -> None:
    days = Days()
    days.earn(same(POOL[0]), lambda _: sender)
    assert days.send(stranger, sender, "newcomer@lab.example") == "450 4.7.1"
    assert days.send(POOL[0], "other@elsewhere.example", "newcomer@lab.example") == "yes", "its own address does"
    assert days.send("192.31.196.101", "other@elsewhere.example", "newcomer@lab.example") == "450 4.7.1"


def test_a_forger_of_the_domain_is_not_waved_through() -> None:
    days = Days()
    days.earn(pool(), lambda _: "news@pool.example")
    assert days.send("2001:db8:9::1", "news@pool.example", "newcomer@lab.example") == "550 5.7.23"


def test_it_is_forgotten_after_silence() -> None:
    days = Days()
    days.earn(pool(), lambda _: "news@pool.example")
    days.now += 37 * DAY
    days.court.engine._greylist._store.expire(days.now)  # noqa: SLF001  as the service does every hour
    assert days.send(POOL[9], "news@pool.example", "newcomer@lab.example") == "450 4.7.1"


def test_it_lasts_while_it_is_used() -> None:
    days = Days()
    days.earn(pool(), lambda _: "news@pool.example")
    for number in range(4):
        days.now += 30 * DAY
        days.court.engine._greylist._store.expire(days.now)  # noqa: SLF001  as above
        for recipient in "abc":
            assert days.send(POOL[number], "news@pool.example", f"{recipient}{number}@lab.example") == "yes"


def test_bad_behaviour_ends_it() -> None:
    days = Days(EVERYBODY + '[spf]\nactions = { fail = "reject", softfail = "reject" }\n')
    days.earn(same(POOL[0]), lambda _: "news@pool.example")
    assert days.send(POOL[0], "x@pool.example", "newcomer@lab.example") == "yes"
    assert days.send(POOL[0], "liar@open.example", "newcomer@lab.example") == "yes", "by its address"
    assert days.send(POOL[0], "liar@nothing.pool.example", "newcomer@lab.example") == "yes"
    assert days.send(POOL[1], "liar@soft.example", "newcomer@lab.example") == "450 4.7.1"
    days.now += 120
    assert days.send(POOL[1], "liar@soft.example", "newcomer@lab.example") == "550 5.7.23"
    assert days.send(POOL[0], "y@pool.example", "other@lab.example") == "yes", "another's deed"
    days.court.dns.change(zone("liar.example TXT v=spf1 -all"))
    assert days.send(POOL[0], "liar@liar.example", "newcomer@lab.example") == "550 5.7.23"
    assert days.send(POOL[0], "z@elsewhere.example", "third@lab.example") == "450 4.7.1", "its address has lost it"
    assert days.send(POOL[0], "z@pool.example", "third@lab.example") == "yes", "its domain has not: it is not his"


LIMITED = EVERYBODY + '[rate]\nrecipients = {{ {} = "2/1m" }}\n'


@pytest.mark.parametrize(
    ("level", "address", "neighbour", "lost"),
    [
        ('"ipv4/24"', POOL[0], "192.31.196.7", False),
        ('"ipv4/32"', POOL[0], POOL[0], True),
        ('"ipv6/48"', "2001:db8:5::1", "2001:db8:5:7::1", False),
        ('"ipv6/64"', "2001:db8:5::1", "2001:db8:5::9", True),
        ('"ipv6/128"', "2001:db8:5::1", "2001:db8:5::1", True),
    ],
)
def test_going_beyond_a_limit_costs_an_address_its_own_deeds_and_no_domain_what_others_send_from_there(
    level: str, address: str, neighbour: str, *, lost: bool
) -> None:
    days = Days(LIMITED.format(level))
    store, network, domain = days.court.store, f"net:{TRANSLATOR.client(address).network(32, 64)}", "spf:pool.example"
    for group in (network, domain):
        for day in range(3):
            days.note(group, f"b{day}@lab.example", days.now + day * DAY)
    days.now += 2 * DAY
    assert days.send(address, "news@pool.example", "b@lab.example") == "yes"
    days.send(neighbour, "spam@elsewhere.example", "b@lab.example")
    assert days.send(address, "news@pool.example", "b@lab.example") == "450 4.7.1"
    assert earned(store.read(network), days.now, days.court.settings.greylist) is not lost
    assert earned(store.read(domain), days.now, days.court.settings.greylist)


def test_who_has_just_earned_it_is_known_at_once() -> None:
    days, group = Days(), "spf:pool.example"
    days.note(group, "a@lab.example", days.now)
    days.now += 2 * DAY
    days.note(group, "b@lab.example", days.now)
    assert days.send(POOL[9], "news@pool.example", "newcomer@lab.example") == "450 4.7.1"
    days.note(group, "c@lab.example", days.now)
    assert days.send(POOL[9], "news@pool.example", "newcomer@lab.example") == "yes"


def test_what_one_worker_has_seen_earned_another_knows_soon() -> None:
    days, other = Days(), Days()
    other.court.engine._greylist._store = days.court.store  # noqa: SLF001  they share it
    assert other.send(POOL[8], "x@pool.example", "first@lab.example") == "450 4.7.1"
    days.earn(pool(), lambda _: "news@pool.example")
    assert other.send(POOL[9], "x@pool.example", "newcomer@lab.example") == "450 4.7.1"
    other.now += 10
    assert other.send(POOL[9], "x@pool.example", "another@lab.example") == "yes"


@pytest.mark.parametrize(
    ("entry", "lost"), [("bad@pool.example", False), ("to:b@lab.example", False), ("@pool.example", True)]
)
def test_a_mailbox_that_is_blocked_costs_nobody_what_all_of_its_provider_have_earned(entry: str, *, lost: bool) -> None:
    days = Days(EVERYBODY + f'[block]\nentries = ["{entry}"]\n')
    store, group = days.court.store, "spf:pool.example"
    for day in range(3):
        days.note(group, f"m{day}@lab.example", days.now + day * DAY)
    days.now += 2 * DAY
    assert days.send(POOL[0], "bad@pool.example", "b@lab.example") == "550 5.7.1"
    assert earned(store.read(group), days.now, days.court.settings.greylist) is not lost


def test_one_session_looks_whether_a_group_has_earned_it_and_the_others_do_not_look_too() -> None:
    days = Days()
    store, read = days.court.store, days.court.store.read
    groups = (f"net:{POOL[0]}/32", "spf:pool.example")
    looks: list[str] = []

    def watched(key: str) -> Mapping[str, Record]:
        if key.startswith("earned:"):
            looks.append(key)
            if len(looks) == 1:
                days.send(POOL[0], "news@pool.example", "b@lab.example")
        return read(key)

    store.read = watched  # type: ignore[method-assign]
    for recipient in ("b@lab.example", "c@lab.example"):
        days.send(POOL[0], "news@pool.example", recipient)
        assert sorted(looks) == sorted(map(register, groups))
    days.now += 11
    days.send(POOL[0], "news@pool.example", "d@lab.example")
    assert sorted(looks) == sorted(map(register, 2 * groups))
