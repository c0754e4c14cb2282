"""The servers through which hosts share: who can reach them, and what they throw away."""

import re
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING

from milter64.address.networks import Networks, pack
from milter64.audit.facts.facts import Facts, is_address
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.audit.rules.published_mx import Published
from milter64.sharing.rights import RIGHTS
from milter64.sharing.server_url import ServerUrl, parse

if TYPE_CHECKING:
    from milter64.sharing.survey import Node

_SEE = "milter64 cluster"
_KEEP = "redis-cli CONFIG SET {} && redis-cli CONFIG REWRITE, on its host"
_NAME_IT = "and name it in greylist.store: docs/cluster.md"
_HERE = Networks(("127.0.0.0/8", "::1/128"))
_PRIVATE = Networks(
    ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
_OLDEST = 6
"""The first Redis with users of their own, and TLS."""
_FULL = 0.8
"""The part of its memory from which on a server is too full."""


def shared_server(facts: Facts, _found: Published) -> Iterator[Line]:
    """Yield the lines on each server, if there is any."""
    shared = facts.settings.greylist.shared
    if not shared:
        return
    url = parse(shared)
    if why := facts.no_servers:
        reason = f"{url.shown} can't be asked, and this host shares nothing: {why.what}"
        yield problem("shared store", reason, see=_SEE, remedy=why.remedy)
    if not facts.servers:
        return
    for node in facts.servers.nodes:
        if node.trouble:
            subject, reason = f"shared store {node.address}", f"can't be asked: {node.trouble}"
            yield warning(subject, reason, see=_SEE, remedy="start it, or take it out of greylist.store")
        elif node.role != "sentinel":
            yield from _server(node, url)


def _server(node: "Node", url: ServerUrl) -> Iterator[Line]:
    subject = f"shared store {node.address}"
    yield _exposure(node, url, subject)
    yield from _version(node, subject)
    if node.info:
        yield _memory(node, subject)
    if "aof_enabled" in node.info:
        see = "redis-cli CONFIG GET save; redis-cli CONFIG GET appendonly"
        yield ok(f"{subject}, restarted", _restarted(node), see=see)


def _restarted(node: "Node") -> str:
    if node.info["aof_enabled"] == "1" or node.settings.get("save"):
        return "keeps its rows over a restart"
    filled = "is filled again by the hosts"
    if "save" in node.settings:
        return f"comes back empty, and {filled}"
    return f"may come back empty, as it doesn't tell milter64's user what it saves, and {filled}"


def _exposure(node: "Node", url: ServerUrl, subject: str) -> Line:
    """Judge who can reach it, and read what goes there."""
    host = re.sub(r"^\[?(.*?)\]?:\d+$", r"\1", node.address)
    local = url.path is not None or host == "localhost" or (is_address(host) and pack(host) in _HERE)
    see = "redis-cli CONFIG GET bind; redis-cli ACL LIST"
    secret = url.secret or url.password_file or url.credential
    if not local and not secret:
        reason = "whoever reaches it can read and change all that hosts share, without a password"
        return problem(subject, reason, see=see, remedy=_own_user())
    if not secret and node.settings.get("protected-mode") == "no" and _open(node):
        reason, bound = "it listens for other hosts, without a password", f"bind {node.settings.get('bind', '')}"
        return problem(subject, reason, bound, see=see, remedy=_KEEP.format("protected-mode yes"))
    if not local and not url.tls:
        private = is_address(host) and pack(host) in _PRIVATE
        make = warning if private else problem
        reason = "the password and what hosts share go over the network in plain"
        remedy = 'give the server a certificate, and write "rediss" in greylist.store: docs/cluster.md'
        return make(subject, reason, see=see, remedy=remedy)
    if not local and node.user == "default":
        reason = "milter64 is the user default, who may do everything there"
        return warning(subject, reason, see="redis-cli ACL WHOAMI", remedy=_own_user())
    return ok(subject, "on this host" if local else "with TLS, and a password", see=see)


def _open(node: "Node") -> bool:
    """Whether it listens on other addresses than those of the loopback."""
    bound = [each.lstrip("-") for each in node.settings.get("bind", "").split()]
    return not bound or any(not is_address(each) or pack(each) not in _HERE for each in bound)


def _own_user() -> str:
    """Return the command that makes a user with our rights, as a shell takes it."""
    return f"redis-cli ACL SETUSER milter64 on '>PASSWORD' {' '.join(map(quote, RIGHTS.split()))}; {_NAME_IT}"


def _version(node: "Node", subject: str) -> Iterator[Line]:
    name, _, version = node.software.partition(" ")
    if name == "Redis" and version.partition(".")[0].isdigit() and int(version.partition(".")[0]) < _OLDEST:
        reason = f"{node.software} is too old: it has no users of their own, and milter64 is not tried with it"
        yield warning(f"{subject}, version", reason, see=_SEE, remedy="run Redis 7 or later, or Valkey")
    elif version:
        yield ok(f"{subject}, version", node.software, see=_SEE)


def _memory(node: "Node", subject: str) -> Line:
    """Judge what it does when it is full."""
    subject, see = f"{subject}, memory", "redis-cli INFO memory"
    policy, most, used = (node.info.get(name, "") for name in ("maxmemory_policy", "maxmemory", "used_memory"))
    limited = most.isdigit() and int(most) > 0
    if policy not in ("", "noeviction"):
        reason = f"{policy} throws out what senders have waited for" + (
            "" if limited else ", once there is a maxmemory"
        )
        make = problem if limited else warning
        return make(subject, reason, see=see, remedy=_KEEP.format("maxmemory-policy noeviction"))
    if limited and used.isdigit() and int(used) > _FULL * int(most):
        reason = f"{int(used) / int(most):.0%} of maxmemory is used; when it is full, it takes nothing more"
        return warning(subject, reason, see=see, remedy=_KEEP.format(f"maxmemory {2 * max(int(used), int(most))}"))
    return ok(subject, f"{policy or 'unknown policy'}, maxmemory {most if limited else 'is not set'}", see=see)
