"""The servers that a URL names, opened."""

from functools import partial

from milter64.sharing.addresses import Addresses
from milter64.sharing.cluster import Cluster
from milter64.sharing.dialling import dial
from milter64.sharing.interface import Servers
from milter64.sharing.one_server import OneServer
from milter64.sharing.outage import Outage, Tell
from milter64.sharing.sentinel import NamedServer
from milter64.sharing.server_url import ServerUrl


def open_servers(url: ServerUrl, warn: Tell, told: Tell) -> Servers:
    """Return the servers that a URL names; they are connected behind.

    `warn` is told once when they are gone, and `told` once when they are back, from any thread.
    """
    outage, addresses = Outage(url.shown, warn, told), Addresses()
    if url.kind == "sentinel":
        return NamedServer(url, outage, addresses)
    if url.kind == "cluster":
        return Cluster(url, outage, addresses)
    host = url.hosts[0] if url.hosts else None
    return OneServer(partial(dial, url, host, addresses), outage)
