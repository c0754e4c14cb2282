"""Postfix's settings, as Postfix itself reads them: main.cf and master.cf are asked through `postconf`."""

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6, SOCK_STREAM, getaddrinfo

from milter64.mail.clean_text import clean

_PATIENCE = 10.0
"""Seconds: postconf reads two files and asks nobody."""
_UNPRINTABLE = re.compile(r"[^\t\n -~\u00a0-\U0010ffff]")
_FOLDERS = "/usr/sbin:/usr/local/sbin"
"""Where postconf is, and often not in the PATH of people."""


class PostfixUnreadable(Exception):  # noqa: N818  Postfix is unreadable, the program is not wrong
    """There is no asking Postfix: postconf is missing, or failed; the message says which, in printable ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A line of master.cf: `command` is the daemon alone ("smtpd"), `overrides` what `-o` sets for it."""

    name: str
    type: str
    chroot: bool
    command: str
    overrides: Mapping[str, str]

    @property
    def key(self) -> str:
        """The service as postconf names it: "submission/inet"."""
        return f"{self.name}/{self.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """A Postfix as it is configured: `main` has every parameter, the defaults too, with `$name` put in.

    `localhost` is what that name stands for here. Not every /etc/hosts gives it an IPv6 address.
    """

    directory: Path
    main: Mapping[str, str]
    services: tuple[Service, ...]
    localhost: tuple[str, ...] = ("127.0.0.1",)

    def value(self, name: str, service: Service | None = None) -> str:
        """Return what a parameter is, for one service where that is given; empty if this Postfix doesn't know it."""
        overrides = service.overrides if service else {}
        return overrides.get(name, self.main.get(name, ""))

    def families(self, service: Service | None = None) -> tuple[str, ...]:
        """Return which IP families it connects over, to milters too, even on its own host (`inet_protocols`)."""
        return family_names(self.value("inet_protocols", service)) or family_names("all")


def read(directory: Path | None = None) -> Postfix:
    """Return the settings in a folder of Postfix's, by default those of the Postfix that runs here.

    Raises:
        PostfixUnreadable: postconf is not installed, or can't read them.
    """
    main = dict(_pairs(_postconf(directory, "-x")))
    overrides: dict[str, dict[str, str]] = defaultdict(dict)
    for path, value in _pairs(_postconf(directory, "-P", "-x")):
        key, _, parameter = path.rpartition("/")
        overrides[key][parameter] = value
    fields: dict[str, dict[str, str]] = defaultdict(dict)
    for path, value in _pairs(_postconf(directory, "-F")):
        key, _, name = path.rpartition("/")
        fields[key][name] = value
    try:
        services = tuple(
            Service(
                name=each["service"],
                type=each["type"],
                chroot=_chroot(each["chroot"], main.get("compatibility_level", "")),
                command=each["command"].split()[0],
                overrides=overrides[key],
            )
            for key, each in fields.items()
        )
        folder = directory or Path(main["config_directory"])
    except LookupError as error:
        raise PostfixUnreadable(f"postconf prints what can't be read: {clean(str(error))}") from error
    return Postfix(directory=folder, main=main, services=services, localhost=tuple(_localhost()))


def family_names(protocols: str) -> tuple[str, ...]:
    """Read `inet_protocols`."""
    names: Mapping[str, tuple[str, ...]] = {"ipv4": ("IPv4",), "ipv6": ("IPv6",), "all": ("IPv4", "IPv6")}
    found = {name for word in re.findall(r"\w+", protocols.lower()) for name in names.get(word, ())}
    return tuple(sorted(found))


def _localhost() -> Iterator[str]:
    """Yield the addresses of localhost as Postfix looks them up, one family at a time."""
    for family in (AF_INET, AF_INET6):
        with suppress(OSError):
            yield from {str(found[4][0]) for found in getaddrinfo("localhost", None, family, SOCK_STREAM)}


def _chroot(word: str, compatibility_level: str) -> bool:
    """Read the field; "-" was "y" before compatibility level 1 (master(5))."""
    return word == "y" or (word == "-" and compatibility_level.partition(".")[0] in ("", "0"))


def _pairs(output: str) -> Iterator[tuple[str, str]]:
    for line in output.splitlines():
        name, equals, value = line.partition(" =")
        if equals:
            yield name, value.strip()


def _postconf(directory: Path | None, *options: str) -> str:
    program = shutil.which("postconf") or shutil.which("postconf", path=_FOLDERS)
    if not program:
        raise PostfixUnreadable("postconf is not installed here")
    where = ["-c", str(directory)] if directory else []
    try:
        done = subprocess.run(  # noqa: S603  the folder is the administrator's own word, and no shell reads it
            [program, *where, *options],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PostfixUnreadable(clean(f"postconf does not run: {error}")) from error
    if done.returncode:
        raise PostfixUnreadable(
            clean(done.stderr.strip().rpartition("\n")[2] or f"postconf ended with {done.returncode}")
        )
    if strange := _UNPRINTABLE.search(done.stdout):
        raise PostfixUnreadable(f"postconf prints the character U+{ord(strange[0]):04X}")
    return done.stdout
