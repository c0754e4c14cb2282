"""What the loads called `listed` have configured: DNS lists, with their zones, the admin's own lists, and limits.

The DNS lists have one in a hundred of the hosts that first tries come from, and none that a known sender has. The
admin's lists name nobody who comes, and nobody reaches a limit.
"""

from ipaddress import IPv4Address, IPv6Address

from bench import world
from milter64.address.networks import pack
from milter64.checks.iprev import reversed_text

REFUSING, DELAYING, SPARING = "refuses.test", "delays.test", "spares.test"
"""The zones of the DNS lists."""

NETWORKS = NAMES = 100_000
"""Entries of the admin's lists, half of them in either."""

_NAMES = ("mail.n{}.example", ".n{}.example", "@n{}.example", "user@n{}.example", "to:user@n{}.example")

_ALWAYS = ("2.0.0.127", reversed_text(pack("::ffff:127.0.0.2")), "test")
"""What a list has, by which it is seen to work (RFC 5782 5)."""

DNS_LISTS = f"""
[[dnslist]]
zone = "{REFUSING}"
action = "reject"
[[dnslist]]
zone = "{DELAYING}"
action = "greylist"
[[dnslist]]
zone = "{SPARING}"
action = "accept"
"""
"""milter64 asks each about the client's address."""
RBLS = "".join(
    f'{zone.partition(".")[0]} {{ symbol = "{symbol}"; rbl = "{zone}"; checks = ["from"]; {more}}}\n'
    for zone, symbol, more in (
        (REFUSING, "REFUSES", ""),
        (DELAYING, "DELAYS", ""),
        (SPARING, "SPARES", "is_whitelist = true; "),
    )
)
SCORES = '"REFUSES" { score = 20; } "DELAYS" { score = 5; } "SPARES" { score = -5; }'
"""rspamd asks the same, and nothing else; by the scores it refuses above 15, and puts off above 4."""

EVERYTHING = f"""
[spf]
actions = {{ fail = "dmarc", softfail = "greylist", temperror = "greylist", permerror = "greylist" }}
[allow]
files = ["BUILD/allow"]
[block]
files = ["BUILD/block"]
[rate]
sessions = {{ "ipv4/32" = "9000000/1h", "ipv4/24" = "9000000/1h", "ipv6/64" = "9000000/1h", "ipv6/48" = "9000000/1h" }}
recipients = {{ "ipv4/32" = "9000000/1h", "ipv6/64" = "9000000/1h" }}
refused_recipients = {{ "ipv4/32" = "9000000/1h", "ipv6/64" = "9000000/1h" }}
[[recipient]]
address = "list@rcpt.test"
off = "greylist"
[[recipient]]
domain = "open.test"
off = "all"
{DNS_LISTS}
[[dnslist]]
zone = "{REFUSING}"
name = "domains"
about = ["sender"]
"""
"""The admin's lists are in the folder for which the word BUILD stands."""


def zones(domains: int = world.DOMAINS) -> dict[str, str]:
    """Return the records of the lists by zone, without SOA and NS."""
    listed = {zone: [f"{label} A 127.0.0.2" for label in _ALWAYS] for zone in (REFUSING, DELAYING, SPARING)}
    for number, (domain, v4, v6) in enumerate(world.strangers(domains)):
        zone = (REFUSING, DELAYING, SPARING)[number % 3]
        labels = (domain, reversed_text(v4.packed), reversed_text(v6.packed))
        listed[zone] += [f"{label} A 127.0.0.2" for label in labels]
    return {zone: "\n".join(records) for zone, records in listed.items()}


def files() -> dict[str, list[str]]:
    """Return the lines of the admin's lists, by the name of the file."""
    entries = [*map(_network, range(NETWORKS)), *map(_name, range(NAMES))]
    return {"allow": entries[::2], "block": entries[1::2]}


def _network(n: int) -> str:
    """Return a network of which no client comes; lengths differ, as people's lists have it."""
    if n % 4 < 2:
        return f"{IPv4Address((20 << 24) + n * 4096)}/{(32, 32, 24, 22, 20)[n % 5]}"
    return f"{IPv6Address((0x2A00 << 112) + (n << 80))}/{(128, 64, 64, 56, 48)[n % 5]}"


def _name(n: int) -> str:
    return _NAMES[n % len(_NAMES)].format(n)
