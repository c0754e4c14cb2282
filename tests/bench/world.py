"""The synthetic world of the loads: its DNS zones, and the sessions that its hosts begin.

All of it is a pure function of a domain's number, so two runs agree. Domain i is dNNNNN.world.test, and its mail host
mail.dNNNNN.world.test has the addresses v4(i) and v6(i); through NAT64 the host appears as 64:ff9b::/96 + v4(i). Its
SPF record has one of four shapes, by i % 4: a list of ip4: and ip6:, `a mx`, three levels of include:, or redirect=.

Faults, by i % 100: 0-4 have no PTR record, 5-7 one whose name has other addresses, 8-12 no SPF record, and 13-15 one
that does not list the mail host (-all, so the result is fail). nxNNNNN.world.test does not exist.

A session is a line of milterload's: client address, client name, helo, sender, recipient. In these `%s` becomes the
run's seed and `%n` the session's number, so one line can stand for any number of new triplets.
"""

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

DOMAINS = 30_000
"""As many as the numbers of v6_block() have room for; seven rounds then never ask a name twice."""

HOT_SESSIONS = 500
MIXED_SESSIONS = 20_000
FLOOD_SESSIONS = 100_000

LOOPBACK = "loopback.world.test"
"""The host 127.0.0.1, for sessions of a real mail server, whose clients can't pretend."""
_LOOPBACK = (
    "loopback A 127.0.0.1",
    'loopback TXT "v=spf1 include:_spf.loopback.world.test -all"',
    '_spf.loopback TXT "v=spf1 ip4:192.0.2.0/28 include:_more.loopback.world.test ~all"',
    '_more.loopback TXT "v=spf1 ip4:127.0.0.0/8 ~all"',
)

_UNLISTED = 30_000
"""What is added to a domain's number for addresses that are not its host's."""
_STRANGER = 50
"""The first of them; sound, as it is 16 or more."""
_FLOOD_NETWORK = int(IPv6Address("2001:db8:ffff::"))
_BY_IPV6 = 3
"""The kind of session, of four, whose client has an IPv6 address of its own."""
_NAT64_PREFIX = int(IPv6Address("64:ff9b::"))


def zones(domains: int = DOMAINS, ttl: int = 3600) -> dict[str, str]:
    """Return the records by zone, without SOA and NS; `ttl` in seconds."""
    forward = list(_LOOPBACK)
    reverse4: list[str] = []
    reverse6: list[str] = []
    for i in range(domains):
        forward += _records(i)
        if _has_ptr(i):
            target = f"mail.{_domain(i if _ptr_is_confirmed(i) else i + 1)}."
            reverse4.append(f"{_v4(i).reverse_pointer}. PTR {target}")
            reverse6.append(f"{_v6(i).reverse_pointer}. PTR {target}")
    named = {"world.test": forward, "11.in-addr.arpa": reverse4, "8.b.d.0.1.0.0.2.ip6.arpa": reverse6}
    named["."] = [f"1.0.0.127.in-addr.arpa. PTR {LOOPBACK}."]
    return {zone: "\n".join([f"$TTL {ttl}", *lines]) for zone, lines in named.items()}


def workloads(domains: int = DOMAINS) -> dict[str, list[str]]:
    """Return lines for milterload, by workload.

    hot:   500 sessions to repeat, from sound hosts: known triplets
    fresh: one line per domain, each time a new triplet
    mixed: 70% hot, 15% fresh, 10% with a fault or of no domain, 5% bounces (the sender is empty)
    flood: addresses across one /48, and senders that do not exist
    """
    chance = random.Random(6052)
    hot = [_hot(k, i, k) for k, i in enumerate(_known(domains))]
    fresh = [_fresh(i) for i in range(domains)]
    chance.shuffle(fresh)
    return {
        "hot": hot,
        "fresh": fresh,
        "mixed": [_mixed(k, hot, domains, chance) for k in range(MIXED_SESSIONS)],
        "flood": [_flood(k, domains, chance) for k in range(FLOOD_SESSIONS)],
    }


def strangers(domains: int = DOMAINS) -> Iterator[tuple[str, IPv4Address, IPv6Address]]:
    """Yield one in a hundred hosts, without a fault and not in `hot`: their domains, and their addresses."""
    known = set(_known(domains))
    for i in range(_STRANGER, domains, 100):
        if i not in known:
            yield _domain(i), _v4(i), _v6(i)


def acquaintances(
    count: int, hosts: int = DOMAINS, domains: int = DOMAINS
) -> Iterator[tuple[str, IPv4Address | IPv6Address]]:
    """Yield sessions of so many senders, each with the address that its client really has.

    They are spread over so many sound hosts, or as many as there are; of 500, all at hosts of their own, they are
    those of `hot`.
    """
    known = _known(domains, hosts)
    for k in range(count):
        number = k % len(known)
        i = known[number]
        yield _hot(k, i, number), (_v6(i) if number % 4 == _BY_IPV6 else _v4(i))


def _known(domains: int, count: int = HOT_SESSIONS) -> list[int]:
    """Return the domain of each session of `hot`, or those of more hosts in the same order."""
    sound = [i for i in range(domains) if _is_sound(i)]
    return [sound[k * 17 % len(sound)] for k in range(min(count, max(len(sound), HOT_SESSIONS)))]


def _domain(i: int) -> str:
    return f"d{i:05d}.world.test"


def _v4(i: int) -> IPv4Address:
    """Return a globally reachable address: the well-known prefix may carry no other. It is claimed, never contacted."""
    return IPv4Address((11 << 24 | 18 << 16) + i * 8 + 1)


def _v6(i: int) -> IPv6Address:
    return IPv6Address((0x20010DB8 << 96) + (i << 80) + 0x25)


def _v6_block(i: int) -> str:
    return f"{IPv6Address((0x20010DB8 << 96) + (i << 80))}/48"


def _nat64(i: int) -> IPv6Address:
    return IPv6Address(_NAT64_PREFIX + int(_v4(i)))


def _has_ptr(i: int) -> bool:
    return i % 100 >= 5


def _ptr_is_confirmed(i: int) -> bool:
    return i % 100 >= 8


def _has_spf(i: int) -> bool:
    return not 8 <= i % 100 < 13


def _spf_lists_host(i: int) -> bool:
    return not 13 <= i % 100 < 16


def _is_sound(i: int) -> bool:
    return i % 100 >= 16


def _records(i: int) -> Iterator[str]:
    """Yield the records of one domain, owner names relative to world.test."""
    name = f"d{i:05d}"
    listed = i if _spf_lists_host(i) else i + _UNLISTED
    yield f"mail.{name} A {_v4(i)}"
    yield f"mail.{name} AAAA {_v6(i)}"
    yield f"{name} MX 10 mail.{name}"
    yield f"{name} MX 20 mx2.{name}"
    yield f"mx2.{name} A {_v4(listed) + 1}"
    yield f"{name} A {_v4(listed) + 2}"
    yield f"{name} AAAA {_v6(listed) + 1}"
    if _has_spf(i):
        yield from _spf(i, name, f"ip4:{_v4(listed)} ip6:{_v6_block(listed)}")


def _spf(i: int, name: str, blocks: str) -> Iterator[str]:
    """Yield the SPF records of one domain, and those that they include."""
    shape = i % 4
    if shape == 0 or (shape == 1 and not _spf_lists_host(i)):
        others = " ".join(f"ip4:192.0.2.{k * 16}/28 ip6:2001:db8:fffe:{k:x}::/64" for k in range(4))
        yield f'{name} TXT "v=spf1 {others} {blocks} -all"'
    elif shape == 1:
        yield f'{name} TXT "v=spf1 a mx -all"'
    elif shape == 2:
        yield f'{name} TXT "v=spf1 include:_spf.{name}.world.test -all"'
        yield f'_spf.{name} TXT "v=spf1 ip4:192.0.2.0/28 include:_netblocks.{name}.world.test ~all"'
        yield f'_netblocks.{name} TXT "v=spf1 ip4:192.0.2.16/28 include:_more.{name}.world.test ~all"'
        yield f'_more.{name} TXT "v=spf1 {blocks} ~all"'
    else:
        yield f'{name} TXT "v=spf1 redirect=_spf.{name}.world.test"'
        yield f'_spf.{name} TXT "v=spf1 ip4:192.0.2.0/28 {blocks} -all"'


def _session(i: int, sender: str, recipient: str, kind: int) -> str:
    """Return a line; `kind` picks the address that the client connects from: half of them come through NAT64."""
    address = (_nat64, _nat64, _v4, _v6)[kind % 4](i)  # the last is _BY_IPV6
    name = f"mail.{_domain(i)}" if _ptr_is_confirmed(i) and address != _nat64(i) else "unknown"
    return f"{address}\t{name}\tmail.{_domain(i)}\t{sender}\t{recipient}"


def _hot(k: int, i: int, kind: int) -> str:
    return _session(i, f"news{k}@{_domain(i)}", f"user{k % 200}@rcpt.test", kind)


def _fresh(i: int) -> str:
    return _session(i, f"s%s.%n@{_domain(i)}", "user%n@rcpt.test", i // 4)


def _mixed(k: int, hot: list[str], domains: int, chance: random.Random) -> str:
    dice, i = chance.random(), chance.randrange(domains)
    if dice < 0.70:
        return hot[min(int(chance.paretovariate(0.5)) - 1, HOT_SESSIONS - 1)]
    if dice < 0.85:
        return _fresh(i)
    if dice < 0.90:
        return _session(i, f"s%s.%n@nx{i:05d}.world.test", "user%n@rcpt.test", k)
    if dice < 0.95:
        return _fresh(i - i % 100 + chance.randrange(16))
    return _session(i, "", "user%n@rcpt.test", k)


def _flood(k: int, domains: int, chance: random.Random) -> str:
    address = IPv6Address(_FLOOD_NETWORK + chance.getrandbits(80))
    sender = f"s%s.%n@nx{k % domains:05d}.world.test"
    return f"{address}\tunknown\thost{k}.flood.test\t{sender}\tuser%n@rcpt.test"
