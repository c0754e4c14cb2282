"""What the servers are and what stands on them: asked once, for somebody who wants to see it, within some seconds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from milter64.mail.clean_text import clean
from milter64.sharing import members
from milter64.sharing.addresses import Addresses
from milter64.sharing.cluster import slot
from milter64.sharing.dialling import dial, dial_sentinel
from milter64.sharing.interface import Command, Reply, ServersGone
from milter64.sharing.keys import FORMAT_KEY, MEMBERS
from milter64.sharing.line import Line, LineBroken, pack, said
from milter64.sharing.members import Member
from milter64.sharing.server_url import Host, ServerUrl

SETTINGS = ("maxmemory", "maxmemory-policy", "save", "appendonly", "bind", "protected-mode")
"""What is asked for of redis.conf."""
_MOST = 100
"""Nodes of a Cluster."""
_AT_ONCE = 16
_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A server, or a Sentinel; texts are fit to be shown."""

    address: str
    role: str = ""
    """As it says: "master", "slave" or "sentinel"; empty where it can't be asked."""
    trouble: str = ""
    """Why it can't be asked."""
    info: Mapping[str, str] = field(default_factory=dict)
    """What INFO says, nothing where we may not ask."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What CONFIG GET says of SETTINGS, nothing where we may not ask."""
    user: str = ""
    keys: int = 0
    """In our database, whosever they are."""

    @property
    def software(self) -> str:
        """Its name and version, such as "Valkey 8.1.1"."""
        if version := self.info.get("valkey_version"):
            return f"Valkey {version}"
        version = self.info.get("redis_version", "")
        return f"Redis {version}" if version else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All servers, and the hosts that share through them."""

    nodes: Sequence[Node]
    format: str
    """In which format they share, empty if nobody has yet."""
    at: float
    """The server's time, in seconds since 1970."""
    members: Sequence[Member]


def survey(url: ServerUrl) -> Survey:
    """Ask the servers, each of them for some seconds at most.

    Raises:
        ServersGone: those that hold what hosts say of each other can't be asked; the text says why.
    """
    asking = _Asking(url)
    try:
        with ThreadPoolExecutor(_AT_ONCE, "survey") as pool:
            nodes, place = asking.nodes(pool)
        return asking.told(nodes, place)
    except (ValueError, TypeError, LookupError, AttributeError):
        raise ServersGone("what answers there is no Redis, nor Valkey") from None


class _Asking:
    def __init__(self, url: ServerUrl) -> None:
        self._url = url
        self._addresses = Addresses()

    def nodes(self, pool: ThreadPoolExecutor) -> tuple[list[Node], Callable[[str], Host | None]]:
        """Return all nodes, and what says on which of them a key is."""
        if self._url.kind == "sentinel":
            sentinels = list(pool.map(self._sentinel, self._url.hosts))
            host = next((host for _, host in sentinels if host), None)
            if not host:
                raise ServersGone("; ".join(f"{node.address}: {node.trouble}" for node, _ in sentinels))
            return [*(node for node, _ in sentinels), self._node(host)], lambda _: host
        if self._url.kind == "cluster":
            slots = self._slots()
            hosts = list(dict.fromkeys(host for _, _, of_range in slots for host in of_range))[:_MOST]
            return list(pool.map(self._node, hosts)), lambda key: _owner(key, slots)
        host = self._url.hosts[0] if self._url.hosts else None
        return [self._node(host)], lambda _: host

    def told(self, nodes: Sequence[Node], place: Callable[[str], Host | None]) -> Survey:
        """Return what hosts have said."""
        clock, fields = self._answered(place(MEMBERS), [("TIME",), ("HGETALL", MEMBERS)])
        (found,) = self._answered(place(FORMAT_KEY), [("GET", FORMAT_KEY)])
        return Survey(
            nodes=nodes,
            format=clean(found.decode(errors="replace")) if found else "",
            at=int(clock[0]) + int(clock[1]) / 1e6,
            members=members.read(dict(zip(fields[::2], fields[1::2], strict=True))),
        )

    def _answered(self, host: Host | None, commands: Sequence[Command]) -> list[Reply]:
        """Return replies of which none is a refusal."""
        replies = _exchanged(lambda: dial(self._url, host, self._addresses), commands)
        if refusals := [said(reply) for reply in replies if isinstance(reply, Exception)]:
            raise ServersGone(refusals[0])
        return replies

    def _node(self, host: Host | None) -> Node:
        address = str(self._url.path) if host is None else _shown(host)
        commands = [("INFO",), ("DBSIZE",), ("ACL", "WHOAMI"), *(("CONFIG", "GET", name) for name in SETTINGS)]
        try:
            found = _exchanged(lambda: dial(self._url, host, self._addresses), commands)
        except ServersGone as gone:
            return Node(address=address, trouble=str(gone))
        info, keys, user, *pairs = (None if isinstance(reply, Exception) else reply for reply in found)
        lines = dict(_lines(info))
        return Node(
            address=address,
            role=lines.get("role", "unknown"),
            info=lines,
            settings={_text(pair[0]): _text(pair[1]) for pair in pairs if pair},
            user=_text(user),
            keys=keys or 0,
        )

    def _sentinel(self, sentinel: Host) -> tuple[Node, Host | None]:
        """Ask a Sentinel for the master."""
        name, address = self._url.name, _shown(sentinel)
        commands = [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name), ("INFO", "server")]
        try:
            named, info = _exchanged(lambda: dial_sentinel(self._url, sentinel, self._addresses), commands)
        except ServersGone as gone:
            return Node(address=address, trouble=str(gone)), None
        found = Node(address=address, role="sentinel", info=dict(_lines(info)))
        if isinstance(named, list):
            return found, (_text(named[0]), int(named[1]))
        why = said(named) if isinstance(named, Exception) else f"it knows no {name}"
        return replace(found, trouble=why), None

    def _slots(self) -> list[tuple[int, int, list[Host]]]:
        """Return which nodes have which slots, the master first, as the first node says that can be asked."""
        troubles = []
        for host in self._url.hosts:
            try:
                (found,) = self._answered(host, [("CLUSTER", "SLOTS")])
            except ServersGone as gone:
                troubles.append(f"{_shown(host)}: {gone}")
                continue
            return [
                (first, last, [(_text(node[0]) or host[0], int(node[1])) for node in nodes])
                for first, last, *nodes in found
            ]
        raise ServersGone("; ".join(troubles))


def _exchanged(dialled: Callable[[], Line], commands: Sequence[Command]) -> list[Reply]:
    try:
        line = dialled()
        try:
            return line.exchange(pack(commands), len(commands))
        finally:
            line.close()
    except LineBroken as broken:
        raise ServersGone(str(broken)) from None


def _owner(key: str, slots: Sequence[tuple[int, int, Sequence[Host]]]) -> Host:
    """Return the node that has a key."""
    for first, last, nodes in slots:
        if first <= slot(key) <= last:
            return nodes[0]
    raise ServersGone(f"no node has slot {slot(key)}")


def _lines(info: bytes | None) -> Iterator[tuple[str, str]]:
    for line in _raw(info).splitlines():
        name, colon, text = line.partition(":")
        if colon:
            yield clean(name), clean(text, _LONGEST)


def _raw(reply: Reply) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else ""


def _text(reply: Reply) -> str:
    return clean(_raw(reply), _LONGEST)


def _shown(host: Host) -> str:
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
