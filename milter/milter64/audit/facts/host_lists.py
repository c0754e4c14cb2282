"""The lists of hosts that OpenDKIM and OpenDMARC have, where Debian has their settings.

What can't be read is left out, as in `host`: so are databases, and patterns.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from milter64.limits.regular_file import read as read_file

OPENDKIM, OPENDMARC = Path("/etc/opendkim.conf"), Path("/etc/opendmarc.conf")
_LISTS = {OPENDKIM: ("OpenDKIM", ("InternalHosts", "PeerList")), OPENDMARC: ("OpenDMARC", ("IgnoreHosts",))}
_MOST = 1 << 20
_DEEPEST = 5
"""Files that OpenDKIM follows from one to the next (opendkim.conf(5), Include)."""
_ELSEWHERE = {"db", "dsn", "erlang", "ldap", "ldapi", "ldaps", "lua", "mdb", "memcache", "refile"}
"""How datasets begin that are no flat file and no list (opendkim(8))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostList:
    """A list of hosts: whose, by which setting, the file that it stands in, and what it has."""

    program: str
    setting: str
    file: Path
    entries: tuple[str, ...]


def read(places: Mapping[Path, Path] | None = None) -> Iterator[HostList]:
    """Yield the lists that are set; `places` are where the files of settings are, if not where Debian has them."""
    for usual, (program, names) in _LISTS.items():
        file = (places or {}).get(usual, usual)
        settings = _settings(file, _DEEPEST)
        for name in names:
            with suppress(OSError):
                if value := settings.get(name.lower()):
                    yield from _list(program, name, file, value)


def _list(program: str, name: str, settings: Path, value: str) -> Iterator[HostList]:
    kind, _, rest = value.partition(":")
    if kind in _ELSEWHERE or value.endswith(".db"):
        return
    if program == "OpenDMARC" or kind == "file" or value.startswith("/"):
        file = Path(rest if kind == "file" else value)
        entries = [words[0] for line in _lines(file) if (words := line.partition("#")[0].split())]
        yield HostList(program=program, setting=name, file=file, entries=tuple(entries))
    else:
        parts = value.removeprefix("csl:").split(",")
        entries = [part.strip() for part in parts if part.strip()]
        yield HostList(program=program, setting=name, file=settings, entries=tuple(entries))


def _settings(file: Path, deepest: int) -> dict[str, str]:
    """Return the values by the names of settings, in lower case; the last one counts."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in _lines(file):
            name, *rest = line.partition("#")[0].split(maxsplit=1)
            value = "".join(rest).strip()
            if name.lower() == "include" and deepest:
                found |= _settings(Path(value), deepest - 1)
            else:
                found[name.lower()] = value
    return found


def _lines(file: Path) -> Iterator[str]:
    """Yield the lines that say something."""
    for line in read_file(file, _MOST).decode(errors="replace").splitlines():
        if line.partition("#")[0].strip():
            yield line
