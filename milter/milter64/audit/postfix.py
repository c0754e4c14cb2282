"""Postfix's settings, as Postfix itself reads them: main.cf and master.cf are asked through `postconf`."""

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from milter64.text import clean

_PATIENCE = 10.0
"""Seconds: postconf reads two files and asks nobody."""
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
    """A Postfix as it is configured: `main` has every parameter, the defaults too, with `$name` put in."""

    directory: Path
    main: Mapping[str, str]
    services: tuple[Service, ...]

    def value(self, name: str, service: Service | None = None) -> str:
        """Return what a parameter is, for one service where that is given; empty if this Postfix doesn't know it."""
        overrides = service.overrides if service else {}
        return overrides.get(name, self.main.get(name, ""))


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
    return Postfix(directory=directory or Path(main["config_directory"]), main=main, services=services)


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
    return done.stdout
