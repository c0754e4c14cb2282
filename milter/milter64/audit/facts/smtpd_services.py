"""A Postfix's smtpds and whom they ask, read for the sake of milter64."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from socket import AF_UNIX

from milter64.address.networks import pack
from milter64.audit.facts.host import IPV4, family
from milter64.audit.facts.lookups import Untold
from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.facts.smtpd_kinds import LOOPBACK, Kind, kinds
from milter64.config.listen_address import Endpoint, endpoint
from milter64.config.listen_address import Settings as MilterSettings
from milter64.config.settings import Settings

MILTERS, MILTER_MAPS = "smtpd_milters", "smtpd_milter_maps"
POSTPONING = ("tempfail", "shutdown")
"""Values of milter_default_action with which senders try again; the second is newer Postfixes' default."""
PROTOCOL = "6"
"""Postfix's default, and libmilter's: earlier ones know no callbacks without a reply, and give the same verdicts."""
_ANY = {"0.0.0.0": ("127.0.0.1",), "::": ("::1", "127.0.0.1")}  # noqa: S104  compared, not listened on
"""Where to find who listens on all addresses."""
OWN_HOST = "this host"
"""As a client."""
_DEFAULT = MilterSettings().socket
_EXAMPLE, _NATIVE = "192.31.196.10", "2001:db8::25"
_INET = re.compile(
    r"inet6?:(?:(?P<port>\d{1,5})@(?P<host>[^@\s]+)|(?P<postfix_host>[^@\s]+):(?P<postfix_port>\d{1,5}))"
)
"""A socket in Sendmail's words, inet:8864@localhost, or in Postfix's, inet:localhost:8864 (RFC 3986's brackets too)."""
_SLACK = 2.0
"""Seconds that a verdict may take beyond `dns.deadline`: its turn, its row, the way back."""
_GENEROUS = 22.0
"""What Postfix's 30 s are beyond our 8 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Milter:
    """An element of smtpd_milters: as it is written, its socket, and what it sets for itself (since Postfix 3.0)."""

    text: str
    socket: str
    own: Mapping[str, str]


class Case:
    """A Postfix and our settings, side by side."""

    def __init__(self, postfix: Postfix, settings: Settings) -> None:
        self.postfix = postfix
        self.settings = settings
        self.queue = PurePosixPath(postfix.value("queue_directory") or "/var/spool/postfix")
        self.smtpds = list(kinds(postfix))
        self.fronts = [service for service, kind in self.smtpds if kind is Kind.FRONT]
        chrooted = any(service.chroot for service in self.fronts)
        self.hidden = chrooted and self._relative() is None and settings.milter.socket.family is AF_UNIX
        """Whether our socket is a file that a chrooted smtpd can't see."""
        self.offered = tuple(each for host in settings.milter.socket.hosts for each in _ANY.get(host, (host,)))
        """The addresses at which we could be found; none if our socket is a file."""
        self.timeout = settings.dns.deadline + _SLACK

    @property
    def door(self) -> Endpoint:
        """Where Postfix finds us."""
        ours = self.settings.milter.socket
        if isinstance(ours.address, str):
            return ours
        return endpoint(f"inet:{ours.address[1]}@{(*self.reached(None), *ours.hosts)[0]}")

    def listed(self, service: Service | None = None) -> list[Milter]:
        """Return the milters of an smtpd, or those of main.cf."""
        return list(elements(self.postfix.value(MILTERS, service)))

    def ours(self, milter: Milter, *, chroot: bool) -> bool:
        """Whether an element leads to us from an smtpd that is chrooted or not."""
        ours, scheme, path = self.settings.milter.socket, *milter.socket.partition(":")[::2]
        if scheme in ("unix", "local"):
            # A path is looked up from the queue folder, and in the chroot that is the root too.
            return ours.address == str(self.queue / (path.lstrip("/") if chroot else path))
        hosts, port = self._place(milter.socket)
        wide = {family(each) for host in ours.hosts if host in _ANY for each in _ANY[host]}
        return port == ours.address[1] and any(
            host in ours.hosts or (family(host) in wide and self._here(host)) for host in hosts
        )

    def mine(self, milter: Milter) -> bool:
        """Whether an element leads to us, in a spelling that a chroot hides too, or led to us by its name."""
        return any(self.ours(milter, chroot=inside) for inside in (True, False)) or self.stale(milter)

    def stale(self, milter: Milter) -> bool:
        """Whether an element is a socket such as we have by default or by the manual, and that we listen on no more."""
        if any(self.ours(milter, chroot=inside) for inside in (True, False)):
            return False
        scheme, _, path = milter.socket.partition(":")
        if scheme in ("unix", "local"):
            return PurePosixPath(path).name == "milter64.sock" or PurePosixPath(path).parent.name == "milter64"
        hosts, port = self._place(milter.socket)
        return port == _DEFAULT.address[1] and any(
            host in _DEFAULT.hosts or self.postfix.lookups.here(host) for host in hosts
        )

    def _here(self, host: str) -> bool:
        return pack(host) in LOOPBACK or self.postfix.lookups.here(host)

    def reached(self, service: Service | None) -> tuple[str, ...]:
        """Return the addresses at which an smtpd could find us: Postfix keeps to its families on its own host too."""
        return tuple(host for host in self.offered if family(host) in self.postfix.families(service))

    def strangers(self, service: Service) -> list[str]:
        """Return the clients of `clients` that are not this host."""
        return [each for each, kind in self.clients(service).items() if kind != OWN_HOST]

    def counts(self, service: Service) -> bool:
        """Whether smtpd_milters counts for some strangers: whether smtpd_milter_maps has nothing to say of them."""
        try:
            return not self.mapped(service).keys() >= set(self.strangers(service))
        except Untold:
            return True

    def loopback(self, service: Service | None) -> str:
        """Return the address of its own host that an smtpd reaches."""
        return "127.0.0.1" if IPV4 in self.postfix.families(service) else "::1"

    def reaches(self, service: Service | None, milter: Milter) -> bool:
        """Whether an smtpd could find a milter; a name that isn't known here is taken for one that leads there."""
        hosts, _ = self._place(milter.socket)
        return not hosts or any(family(host) in self.postfix.families(service) for host in hosts)

    def clients(self, service: Service) -> dict[str, str]:
        """Return what smtpd_milter_maps is to be asked about: an address as Postfix has it of each kind of client."""
        forms = [form for form, _ in self.settings.translator().encode(_EXAMPLE)]
        kinds = dict.fromkeys(forms, "a translated client")
        kinds |= {_EXAMPLE: "an IPv4 client", _NATIVE: "a native IPv6 client"}
        kinds |= {"127.0.0.1": OWN_HOST, "::1": OWN_HOST}
        return {each: kind for each, kind in kinds.items() if family(each) in self.postfix.families(service)}

    def mapped(self, service: Service) -> dict[str, tuple[str, list[Milter]]]:
        """Return by address the clients for whom smtpd_milter_maps goes before smtpd_milters, what it says, and whom.

        To say DISABLE is to name nobody whom we know.

        Raises:
            Untold: it can't be asked.
        """
        tables = self.postfix.value(MILTER_MAPS, service)
        said = {each: self.postfix.lookups.find(tables, each) for each in self.clients(service)} if tables else {}
        return {each: (text, list(elements(text))) for each, text in said.items() if text is not None}

    def lacking(self, service: Service | None, own: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
        """Yield what must be otherwise for us alone: a milter's own setting, the value wanted, the one that counts."""
        for name in ("command_timeout", "content_timeout"):
            value = own.get(name) or self.postfix.value(f"milter_{name}", service)
            if _seconds(value) < self.timeout:
                yield name, f"{math.ceil(self.settings.dns.deadline + _GENEROUS)}s", value
        wanted = ("accept",) if self.settings.mode == "observe" else POSTPONING
        if (value := own.get("default_action") or self.postfix.value("milter_default_action", service)) not in wanted:
            yield "default_action", wanted[0], value
        if (value := own.get("protocol") or self.postfix.value("milter_protocol", service)) != PROTOCOL:
            yield "protocol", PROTOCOL, value

    def element(self, service: Service | None, own: Mapping[str, str]) -> str:
        """Return us as an element of smtpd_milters: with what it sets itself already, and what is lacking."""
        own = {**own, **{name: wanted for name, wanted, _ in self.lacking(service, own)}}
        each = (f"{name}={value}" for name, value in own.items())
        named = self.named(service)
        return f"{{ {', '.join([named, *each])} }}" if own else named

    def _relative(self) -> PurePosixPath | None:
        path = PurePosixPath(str(self.settings.milter.socket.address))
        return path.relative_to(self.queue) if path.is_relative_to(self.queue) else None

    def _place(self, socket: str) -> tuple[tuple[str, ...], int]:
        """Return the addresses and the port that Postfix's words for a socket stand for; no port if we can't tell."""
        match = _INET.fullmatch(socket)
        if not match:
            return (), 0
        hosts = self.postfix.lookups.addresses(match["host"] or match["postfix_host"])
        # To connect to all addresses is to connect to one's own.
        return tuple(_ANY[host][0] if host in _ANY else host for host in hosts), int(
            match["port"] or match["postfix_port"]
        )

    def named(self, service: Service | None) -> str:
        """Return our socket as an smtpd is to name it.

        One that it can't see is named as it would be in the queue folder, or on localhost.
        """
        ours = self.settings.milter.socket
        if isinstance(ours.address, str):
            if self.hidden:
                return f"unix:milter64/{PurePosixPath(ours.address).name}"
            return f"unix:{self._relative() or ours.address}"
        host = (*self.reached(service), self.loopback(service))[0]
        return f"inet:[{host}]:{ours.address[1]}" if ":" in host else f"inet:{host}:{ours.address[1]}"


def without_milters(postfix: Postfix, service: Service) -> bool:
    """Whether an smtpd asks no milters, whichever are listed."""
    return "no_milters" in re.split(r"[\s,]+", postfix.value("receive_override_options", service))


def elements(text: str) -> Iterator[Milter]:
    """Read smtpd_milters: sockets, or "{ socket, name=value ... }", between commas or blanks."""
    for element in re.findall(r"\{[^}]*\}|[^\s,{}]+", text):
        words = element.strip("{}").replace(",", " ").split()
        if words:
            pairs = (word.partition("=") for word in re.sub(r"\s*=\s*", "=", " ".join(words[1:])).split())
            yield Milter(text=element, socket=words[0], own={name: value for name, _, value in pairs})


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _seconds(text: str) -> float:
    """Read a time of Postfix's, such as "30s"; what can't be read is endless, as Postfix will complain itself."""
    match = re.fullmatch(r"([0-9]{1,20})([smhdw]?)", text)
    return int(match[1]) * _UNITS[match[2]] if match else math.inf
