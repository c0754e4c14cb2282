"""What a Postfix's smtpds are for.

An smtpd is one of three: the front, which strangers talk to; submission, whose clients authenticate; and the way back
in, on which a content filter returns mail. The front is on port 25, or on whichever port a proxy or a NAT leads there.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto

from milter64.address.networks import Networks, pack
from milter64.audit.facts.postconf import Postfix, Service

LOOPBACK = Networks(("127.0.0.0/8", "::1"))


class Kind(Enum):
    """What an smtpd is for."""

    FRONT = auto()
    SUBMISSION = auto()
    BACK = auto()
    OTHER = auto()
    """Nobody but its administrator knows."""


def kinds(postfix: Postfix) -> Iterator[tuple[Service, Kind]]:
    """Yield each smtpd and what it is for."""
    found = [(each, kind_of(postfix, each)) for each in postfix.services if each.command == "smtpd"]
    if not any(kind is Kind.FRONT for _, kind in found):  # then a NAT leads from port 25 to another
        others = [each for each, kind in found if kind is Kind.OTHER]
        led = [each for each in others if _open(postfix, each) and not _local(postfix, each)]
        found = [(each, Kind.FRONT if each in led else kind) for each, kind in found]
    yield from found


def kind_of(postfix: Postfix, service: Service) -> Kind:
    """Tell what an smtpd is for, by its port and by what master.cf sets for it."""
    port = service.name.rpartition(":")[2]
    over = service.overrides
    originating = "ORIGINATING" in (over.get("milter_macro_daemon_name"), over.get("daemon_name"))
    if port in ("submission", "submissions", "smtps", "587", "465") or originating:
        return Kind.SUBMISSION
    if service.type == "pass":  # from postscreen
        return Kind.FRONT
    proxied = bool(postfix.value("smtpd_upstream_proxy_protocol", service))
    local = _local(postfix, service) and not proxied
    if port in ("smtp", "25"):
        return Kind.OTHER if local else Kind.FRONT
    unfiltered = over.get("content_filter") == "" and postfix.value("content_filter")
    if local or unfiltered or "smtpd_authorized_xforward_hosts" in over:
        return Kind.BACK
    if _for_users(postfix, service):
        return Kind.SUBMISSION
    return Kind.FRONT if proxied and _open(postfix, service) else Kind.OTHER


def _local(postfix: Postfix, service: Service) -> bool:
    """Whether an smtpd is bound to the loopback alone."""
    found = listens(postfix, service)
    return bool(found) and all(pack(each) in LOOPBACK for each in found)


def listens(postfix: Postfix, service: Service) -> tuple[str, ...]:
    """Return the addresses that an smtpd is bound to; none if that is all of them, or isn't known."""
    host = service.name.rpartition(":")[0]
    # Where none is named, master goes by main.cf's inet_interfaces.
    return postfix.lookups.addresses(host) if host else postfix.interfaces()


_ENTRANCES = [f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient")]


def _restrictions(postfix: Postfix, service: Service) -> Iterator[list[str]]:
    """Yield the words of each list of restrictions that everybody must pass who sends mail."""
    for name in _ENTRANCES:
        yield re.split(r"[\s,]+", postfix.value(name, service))


def _open(postfix: Postfix, service: Service) -> bool:
    """Whether strangers may send by an smtpd: no list refuses whoever has no right."""
    return not any("reject" in words for words in _restrictions(postfix, service))


def _for_users(postfix: Postfix, service: Service) -> bool:
    """Whether users may send by an smtpd, and nobody else but own hosts."""
    return any({"permit_sasl_authenticated", "reject"} <= set(words) for words in _restrictions(postfix, service))
