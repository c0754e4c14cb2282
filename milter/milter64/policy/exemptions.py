"""Who is exempt from all judgement: hosts that are trusted, clients that have authenticated, postmaster."""

from functools import lru_cache, partial

from milter64.address.client import Client, Origin
from milter64.mail.finding import Finding
from milter64.mail.session import Envelope, split
from milter64.policy.decision import EXEMPT
from milter64.policy.trust import Trust

_HOSTS = 1024
"""Addresses of which it is kept ready whether they are trusted."""


class Exemptions:
    """Says who isn't judged; of hosts that come often it is kept ready.

    Trust comes from the address on the wire, never from a decoded one. A gateway's address is nobody's to be trusted
    by, be it 127.0.0.1.
    """

    def __init__(self, trust: Trust) -> None:
        self._authenticated = trust.authenticated
        self._host = lru_cache(_HOSTS)(partial(_host, trust))

    def client(self, client: Client) -> Finding | None:
        """Return why a client isn't judged, if so."""
        return None if client.origin is Origin.MASKED else self._host(client.wire_packed)

    def envelope(self, envelope: Envelope) -> Finding | None:
        """Return why a client isn't judged, if so, or one that has authenticated."""
        if why := self.client(envelope.session.client):
            return why
        if envelope.login and self._authenticated:
            return _exemption("authenticated", "it has authenticated")
        return None


def _host(trust: Trust, wire: bytes) -> Finding | None:
    """Return why a host isn't judged, if so, by its address on the wire, of 4 or 16 bytes."""
    if wire in trust.networks:
        return _exemption("trusted", "its address is in trust.networks")
    if wire in trust.relays:
        return _exemption("relay", "its address is in trust.relays")
    return None


def recipient(address: str) -> Finding | None:
    """Return why a recipient must always be reachable (RFC 5321 4.5.1, RFC 2142), if so."""
    if address[:1] not in "aApP":  # most, and cheaper than a split
        return None
    local, domain = split(address)
    if local.lower() == "postmaster" or (domain and local.lower() == "abuse"):
        return _exemption("postmaster", "postmaster and abuse can always be reached")
    return None


def _exemption(result: str, reason: str) -> Finding:
    return Finding(check=EXEMPT[0], property=EXEMPT[1], result=result, reason=reason)
