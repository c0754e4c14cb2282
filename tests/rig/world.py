"""The small world of the stories: who may send for whom, and whose names lead where.

honest.example    lets 192.31.196.10 and 2001:db8:6::25 send, whose names lead back
soft.example      would rather not be sent for by others (~all)
none.example      has no SPF record
broken.example    has a record that nobody can read, lost.example one that nobody can get
*.fresh.example   lets 192.31.196.10 send: a name that nobody has asked about yet, when a test needs one
192.31.196.20     has no name; 192.31.196.30 has one that does not lead back
ipv4only.arpa     has its A records and no other, as in the root's zone (RFC 8880): who serves it is no DNS64
"""

HONEST, HONEST_IPV6 = "192.31.196.10", "2001:db8:6::25"
NAMELESS, LIAR = "192.31.196.20", "192.31.196.30"
STRANGER, STRANGER_IPV6 = "192.31.196.40", "2001:db8:bad::1"
"""Addresses with names of their own that nobody lets send."""


def behind(address: str) -> str:
    """Return an IPv4 address as a translator with the well-known prefix shows it."""
    return f"64:ff9b::{bytes(map(int, address.split('.'))).hex(':', 2)}"


def _pointer(address: str) -> str:
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa."


ZONES = {
    ".": f"""
        honest.example. TXT "v=spf1 ip4:{HONEST} ip6:{HONEST_IPV6} exp=why.honest.example -all"
        honest.example. MX 10 mail.honest.example.
        why.honest.example. TXT "%{{i}} is none of ours, 100%% sure"
        mail.honest.example. A {HONEST}
        mail.honest.example. AAAA {HONEST_IPV6}
        mail.honest.example. TXT "v=spf1 a -all"
        soft.example. TXT "v=spf1 ip4:{HONEST} ~all"
        none.example. A 192.31.196.1
        broken.example. TXT "v=spf1 nonsense -all"
        wide.example. TXT "v=spf1 +all"
        *.fresh.example. TXT "v=spf1 ip4:{HONEST} -all"
        stranger.example. A {STRANGER}
        stranger.example. AAAA {STRANGER_IPV6}
        elsewhere.example. A 192.31.196.1
        ipv4only.arpa. A 192.0.0.170
        ipv4only.arpa. A 192.0.0.171
        {_pointer(HONEST)} PTR mail.honest.example.
        {_pointer(LIAR)} PTR elsewhere.example.
        {_pointer(STRANGER)} PTR stranger.example.
        5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.honest.example.
        1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.a.b.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR stranger.example.
        """,
    "lost.example": None,
}

RECORDS: dict[str, dict[str, list[str]]] = {
    "honest.example": {"TXT": [f"v=spf1 ip4:{HONEST} -all"]},
    "mail.honest.example": {"A": [HONEST], "TXT": ["v=spf1 a -all"]},
    "stranger.example": {"A": [STRANGER]},
    "ipv4only.arpa": {"A": ["192.0.0.170", "192.0.0.171"]},
    _pointer(HONEST).rstrip("."): {"PTR": ["mail.honest.example"]},
    _pointer(STRANGER).rstrip("."): {"PTR": ["stranger.example"]},
}
"""As much of it as the honest and the stranger need, for a `DnsServer`."""
