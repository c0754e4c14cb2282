"""Postfix's settings, as Postfix itself reads them: main.cf and master.cf are asked through `postconf`."""

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from milter64.audit.facts.lookups import FOLDERS, Asked, Known, Lookups
from milter64.mail.clean_text import clean

_PATIENCE = 10.0
"""Seconds: postconf reads two files and asks nobody."""
_UNPRINTABLE = re.compile(r"[^\t\n -~\u00a0-\U0010ffff]")
_ITS_OWN_NAME = re.compile(r"(\$[({]?)(process_name|service_name)\b")
"""Parameters that a daemon has from master; postconf has its own, and may not be given others."""


class PostfixUnreadable(Exception):  # noqa: N818  Postfix is unreadable, the program is not wrong
    """There is no asking Postfix: postconf is missing, or failed; the message says which, in printable ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A line of master.cf: `command` is the daemon alone ("smtpd"), `overrides` what `-o` sets for it.

    `derived` are the other parameters that differ from main.cf's by that: myorigin, where `-o` sets myhostname.
    """

    name: str
    type: str
    chroot: bool
    command: str
    overrides: Mapping[str, str]
    derived: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The service as postconf names it: "submission/inet"."""
        return f"{self.name}/{self.type}"

    def own(self, parameter: str) -> bool:
        """Whether a parameter may differ from main.cf's here."""
        return parameter in self.overrides or parameter in self.derived


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """A Postfix as it is configured: `main` has every parameter, the defaults too, with `$name` put in.

    `services` are those that master starts, and `disabled` names those that it doesn't, by master_service_disable.
    `lookups` says what names and tables in it stand for. `usual` says whether Postfix's commands mean this one where
    no folder is named, and `front_elsewhere` that strangers talk to another of this host's Postfixes, and not to this.
    """

    directory: Path
    main: Mapping[str, str]
    services: tuple[Service, ...]
    disabled: tuple[str, ...] = ()
    lookups: Lookups = field(default_factory=Known)
    usual: bool = True
    front_elsewhere: bool = False

    @property
    def name(self) -> str:
        """What people call it."""
        return self.value("multi_instance_name") or str(self.directory)

    def placed(self, text: str) -> str:
        """Have the commands in a text name the folder, where they would mean another Postfix without it."""
        if self.usual:
            return text
        folder = quote(str(self.directory))
        text = re.sub(
            r"\b(postconf|postmap|postfix(?= reload))(?= (?!-c ))", lambda found: f"{found[1]} -c {folder}", text
        )
        return re.sub(r"\bmilter64 postfix\b", lambda found: f"{found[0]} --config-directory {folder}", text)

    def value(self, name: str, service: Service | None = None) -> str:
        """Return what a parameter is, for one service where that is given; empty if this Postfix doesn't know it."""
        for values in (service.overrides, service.derived) if service else ():
            if name in values:
                return values[name]
        return self.main.get(name, "")

    def interfaces(self, service: Service | None = None) -> tuple[str, ...]:
        """Return the addresses that `inet_interfaces` stands for; none if that is all of them, or isn't known."""
        found: dict[str, None] = {}
        for word in re.split(r"[\s,]+", self.value("inet_interfaces", service).lower()):
            if word == "all":
                return ()
            loopback = ("127.0.0.1", "::1") if word == "loopback-only" else ()
            found |= dict.fromkeys(loopback or (self.lookups.addresses(word) if word else ()))
        return tuple(found)

    def families(self, service: Service | None = None) -> tuple[str, ...]:
        """Return which IP families it connects over, to milters too, even on its own host (`inet_protocols`)."""
        return family_names(self.value("inet_protocols", service)) or family_names("all")


def read(directory: Path | None = None) -> Postfix:
    """Return the settings in a folder of Postfix's, by default those of the Postfix that runs here.

    Raises:
        PostfixUnreadable: postconf is not installed, or can't read them.
    """
    main = dict(_pairs(_postconf(directory, "-x")))
    fields = _by_service(_pairs(_postconf(directory, "-F")))
    overrides = _by_service(_pairs(_postconf(directory, "-P")))
    named = {name: text for name, text in _pairs(_postconf(directory)) if _ITS_OWN_NAME.search(text)}
    services = []
    try:
        for key, each in fields.items():
            command = each["command"].split()[0]
            own = {**named, **overrides[key]}
            values = _evaluated(directory, key, own, service_name=each["service"], process_name=command)
            differing = {name: value for name, value in values.items() if value != main.get(name)}
            service = Service(
                name=each["service"],
                type=each["type"],
                chroot=_chroot(each["chroot"], main.get("compatibility_level", "")),
                command=command,
                overrides={name: values.get(name, text) for name, text in overrides[key].items()},
                derived={name: value for name, value in differing.items() if name not in overrides[key]},
            )
            services.append(service)
        folder = directory or Path(main["config_directory"])
    except LookupError as error:
        raise PostfixUnreadable(f"postconf prints what can't be read: {clean(str(error))}") from error
    off = {each.key for each in services if _disabled(each, main.get("master_service_disable", ""))}
    return Postfix(
        directory=folder,
        main=main,
        services=tuple(each for each in services if each.key not in off),
        disabled=tuple(each.key for each in services if each.key in off),
        lookups=Asked(directory),
        usual=directory is None,
    )


def _by_service(pairs: Iterator[tuple[str, str]]) -> defaultdict[str, dict[str, str]]:
    """Sort "submission/inet/name" by its service."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for path, value in pairs:
        key, _, name = path.rpartition("/")
        found[key][name] = value
    return found


def _evaluated(directory: Path | None, key: str, own: Mapping[str, str], **names: str) -> dict[str, str]:
    """Return every parameter as a daemon of these names has it that is started with `-o`; nothing without `own`."""
    if not own:
        return {}
    given = {f"its_own_{name}": value for name, value in names.items()}
    given |= {name: _ITS_OWN_NAME.sub(r"\1its_own_\2", text) for name, text in own.items()}
    options = [word for name, text in given.items() for word in ("-o", f"{name}={text}")]
    try:
        return dict(_pairs(_postconf(directory, "-x", *options)))
    except PostfixUnreadable as error:
        raise PostfixUnreadable(f"{clean(key)}: {error}") from error


def _disabled(service: Service, patterns: str) -> bool:
    """Whether master starts no such service, by master_service_disable (postconf(5)), whose first match counts."""
    for word in re.split(r"[\s,]+", patterns.lower()):
        pattern = word.lstrip("!")
        pattern = pattern if "/" in pattern else "/".join(pattern.rsplit(".", 1))
        if pattern == (service.key if "/" in pattern else service.type).lower():
            return (len(word) - len(word.lstrip("!"))) % 2 == 0
    return False


def family_names(protocols: str) -> tuple[str, ...]:
    """Read `inet_protocols`."""
    names: Mapping[str, tuple[str, ...]] = {"ipv4": ("IPv4",), "ipv6": ("IPv6",), "all": ("IPv4", "IPv6")}
    found = {name for word in re.findall(r"\w+", protocols.lower()) for name in names.get(word, ())}
    return tuple(sorted(found))


def _chroot(word: str, compatibility_level: str) -> bool:
    """Read the field; "-" was "y" before compatibility level 1 (master(5))."""
    return word == "y" or (word == "-" and compatibility_level.partition(".")[0] in ("", "0"))


def _pairs(output: str) -> Iterator[tuple[str, str]]:
    for line in output.splitlines():
        name, equals, value = line.partition(" =")
        if equals:
            yield name, value.strip()


def _postconf(directory: Path | None, *options: str) -> str:
    program = shutil.which("postconf") or shutil.which("postconf", path=FOLDERS)
    if not program:
        raise PostfixUnreadable("postconf is not installed here: ask where Postfix is")
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
