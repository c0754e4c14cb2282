"""A Postfix's smtpds and whom they ask, read for the sake of milter64.

An smtpd is one of three: the front, which strangers talk to; submission, whose clients authenticate; and the way back
in, on which a content filter returns mail.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import PurePosixPath
from socket import AF_UNIX

from milter64.audit.facts.host import IPV4, family
from milter64.audit.facts.postconf import Postfix, Service
from milter64.config.listen_address import LOCALHOST, Endpoint, endpoint
from milter64.config.settings import Settings
from milter64.config.toml_reader import Wrong

MILTERS = "smtpd_milters"
POSTPONING = ("tempfail", "shutdown")
"""Values of milter_default_action with which senders try again; the second is newer Postfixes' default."""
PROTOCOL = "6"
"""Postfix's default, and libmilter's: earlier ones know no callbacks without a reply, and give the same verdicts."""
_ANY = {"0.0.0.0": ("127.0.0.1",), "::": ("::1", "127.0.0.1")}  # noqa: S104  compared, not listened on
"""Where to find who listens on all addresses."""
_SLACK = 2.0
"""Seconds that a verdict may take beyond `dns.deadline`: its turn, its row, the way back."""
_GENEROUS = 22.0
"""What Postfix's 30 s are beyond our 8 s."""


class Kind(Enum):
    """What an smtpd is for."""

    FRONT = auto()
    SUBMISSION = auto()
    BACK = auto()
    OTHER = auto()
    """Nobody but its administrator knows."""


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
        self.smtpds = [
            (service, kind_of(postfix, service)) for service in postfix.services if service.command == "smtpd"
        ]
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
        return port == ours.address[1] and any(host in ours.hosts or family(host) in wide for host in hosts)

    def reached(self, service: Service | None) -> tuple[str, ...]:
        """Return the addresses at which an smtpd could find us: Postfix keeps to its families on its own host too."""
        return tuple(host for host in self.offered if family(host) in self.postfix.families(service))

    def loopback(self, service: Service | None) -> str:
        """Return the address of its own host that an smtpd reaches."""
        return "127.0.0.1" if IPV4 in self.postfix.families(service) else "::1"

    def reaches(self, service: Service | None, milter: Milter) -> bool:
        """Whether an smtpd could find a milter, whose name is taken for one that leads there, but for localhost."""
        hosts, port = self._place(milter.socket)
        return not port or any(family(host) in self.postfix.families(service) for host in hosts)

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
        try:
            theirs = endpoint(socket)
        except Wrong:
            return (), 0
        if isinstance(theirs.address, str):
            return (), 0
        host, port = theirs.address
        return self.postfix.localhost if host == LOCALHOST else (host,), port

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


def kind_of(postfix: Postfix, service: Service) -> Kind:
    """Tell what an smtpd is for, by its port and by what master.cf sets for it."""
    host, _, port = service.name.rpartition(":")
    over = service.overrides
    originating = "ORIGINATING" in (over.get("milter_macro_daemon_name"), over.get("daemon_name"))
    if port in ("submission", "submissions", "smtps", "587", "465") or originating:
        return Kind.SUBMISSION
    if port in ("smtp", "25") or service.type == "pass":  # from postscreen
        return Kind.FRONT
    unfiltered = over.get("content_filter") == "" and postfix.value("content_filter")
    local = host.strip("[]") in ("localhost", "::1") or host.startswith("127.")
    if local or unfiltered or "smtpd_authorized_xforward_hosts" in over:
        return Kind.BACK
    return Kind.OTHER


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
