"""One client by all the ways on which he may come, to a Postfix with milter64 that refuses nobody."""

from collections.abc import Callable, Mapping
from email.utils import formatdate

from milter64.address import translation_prefix
from milter64.address.networks import pack, unpack
from milter64.address.translation_prefix import Prefix
from rig.dnsserver import DnsServer
from rig.network import Network
from rig.world import HONEST, LIAR, NAMELESS, RECORDS, STRANGER, behind

PREFIX = Prefix("2001:db8:6464::/48")
MAPPING = translation_prefix.Mapping("192.31.196.0/24", "2001:db8:aaaa::/120")
SETTINGS = """
[translation]
prefixes = ["64:ff9b::/96", "2001:db8:6464::/48"]
explicit = [{ ipv4 = "192.31.196.0/24", ipv6 = "2001:db8:aaaa::/120" }]
[spf]
actions = {}
helo_actions = {}
[iprev]
actions = {}
[greylist]
store = "memory:"
"""
WIRES: Mapping[str, Callable[[str], str]] = {
    "64:ff9b::/96": behind,
    PREFIX.text: lambda address: unpack(PREFIX.encode(pack(address)) or b""),
    MAPPING.text: lambda address: unpack(MAPPING.encode(pack(address)) or b""),
}
"""What makes the address on the wire of an IPv4 address, by what milter64 decodes it with."""
LISTED = {f"{'.'.join(reversed(STRANGER.split('.')))}.zen.spamhaus.org": {"A": ["127.0.0.2"]}}
CLIENTS = {
    HONEST: ("mail.honest.example", "honest.example"),
    STRANGER: ("stranger.example", "honest.example"),
    NAMELESS: ("[UNAVAILABLE]", "none.example"),
    LIAR: ("[UNAVAILABLE]", "honest.example"),
}
"""The name that Postfix has for such an IPv4 client, and the sender's domain."""
WRITING = 'use = ["authentication-results"];\n'


def listed_dns(network: Network) -> DnsServer:
    """A nameserver that knows the world, and that the stranger is on a list."""
    return network.call(lambda: DnsServer({**RECORDS, **LISTED}))


def message(domain: str) -> str:
    """Return a message of that domain's, which some other server has handed on."""
    date = formatdate()
    received = f"Received: from a.example (b.example [198.51.100.7]) by c.example with ESMTP id 4Pn2; {date}"
    fields = (received, f"From: a@{domain}", "To: b@lab.example", "Subject: test", f"Date: {date}", "Message-ID: <1@x>")
    return "\n".join((*fields, "", "Hi.", ""))
