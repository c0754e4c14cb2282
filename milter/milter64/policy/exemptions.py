"""Who is exempt from all judgement: hosts that are trusted, clients that have authenticated, postmaster."""

from dataclasses import dataclass, field

from milter64.address.networks import Networks
from milter64.mail.finding import Finding
from milter64.mail.session import split
from milter64.policy.decision import EXEMPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The table [trust]: who is not judged, by the address on the wire, and whether private addresses are."""

    networks: Networks = field(default_factory=lambda: Networks(("127.0.0.0/8", "::1/128")))
    relays: Networks = field(default_factory=Networks)
    authenticated: bool = True
    judge_private: bool = False


def host(trust: Trust, wire: bytes) -> Finding | None:
    """Return why a host isn't judged, if so, by its address on the wire, of 4 or 16 bytes."""
    if wire in trust.networks:
        return _exemption("trusted", "its address is in trust.networks")
    if wire in trust.relays:
        return _exemption("relay", "its address is in trust.relays")
    return None


def authenticated() -> Finding:
    """Return why a client that has authenticated isn't judged."""
    return _exemption("authenticated", "it has authenticated")


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
