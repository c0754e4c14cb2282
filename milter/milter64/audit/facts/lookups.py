"""What names and tables in Postfix's settings stand for: `getent` and `postmap -q` are asked, each with a deadline."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol

from milter64.address.networks import pack, unpack
from milter64.audit.facts import host
from milter64.mail.clean_text import clean

FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin"
"""Where Postfix's commands are, and often not in the PATH of people."""
_PATIENCE = 10.0
"""Seconds for each question; a table may be in a database, and a name in DNS."""
_MAPPED = bytes(10) + b"\xff\xff"
_BY_PATTERN = ("regexp", "pcre", "cidr")


class Untold(Exception):  # noqa: N818  the table says nothing; nobody erred
    """There is no asking a table; the text says why, in clean words."""


class Lookups(Protocol):
    """Answers about names and tables."""

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the IP addresses of a host, which may be an address itself; none if nothing knows it."""

    def find(self, tables: str, key: str, *, partial: bool = False) -> str | None:
        """Return what the first of Postfix's tables says that has the key.

        `partial`: the key is part of an address, or "*", for which Postfix asks no tables of patterns.

        Raises:
            Untold: a table can't be asked.
        """

    def values(self, tables: str) -> tuple[str, ...]:
        """Return what stands in all rows of the tables.

        Raises:
            Untold: one of them can't be read through.
        """

    def here(self, address: str) -> bool:
        """Whether an interface of this host has that address."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known without asking."""

    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"localhost": ("127.0.0.1",)})
    tables: Mapping[str, Mapping[str, str] | str] = field(default_factory=dict)
    """What a table holds, by its name, or why it can't be asked."""
    own: tuple[str, ...] = ()

    def addresses(self, name: str) -> tuple[str, ...]:
        """Answer as `Lookups.addresses` does."""
        return (literal,) if (literal := _literal(name)) else self.hosts.get(name.lower(), ())

    def find(self, tables: str, key: str, *, partial: bool = False) -> str | None:
        """Answer as `Lookups.find` does."""
        for table in _names(tables, partial=partial):
            if isinstance(rows := self.tables.get(table, {}), str):
                raise Untold(f"{table}: {rows}")
            if key in rows:
                return rows[key]
        return None

    def values(self, tables: str) -> tuple[str, ...]:
        """Answer as `Lookups.values` does."""
        found: list[str] = []
        for table in _names(tables, partial=False):
            if isinstance(rows := self.tables.get(table, {}), str):
                raise Untold(f"{table}: {rows}")
            found += rows.values()
        return tuple(found)

    def here(self, address: str) -> bool:
        """Answer as `Lookups.here` does."""
        return address in self.own


class Asked:
    """What this system and its Postfix say; whatever was asked once is remembered."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self.addresses = cache(self._addresses)
        """Answers as `Lookups.addresses` does, in the order of Postfix, which asks for one family at a time."""
        self._value = cache(self._ask)
        self._broken: dict[str, str] = {}
        """Tables that can't be asked, and why: a database that hangs is waited for once."""

    def find(self, tables: str, key: str, *, partial: bool = False) -> str | None:
        """Answer as `Lookups.find` does."""
        answers = (self._value(table, key) for table in _names(tables, partial=partial))
        return next((answer for answer in answers if answer is not None), None)

    def values(self, tables: str) -> tuple[str, ...]:
        """Answer as `Lookups.values` does."""
        found: list[str] = []
        for table in _names(tables, partial=False):
            code, said, complaint = self._postmap("-s", table)
            if code:
                raise Untold(f"{clean(table)}: {clean(complaint.rpartition(chr(10))[2])}")
            found += (line.partition("\t")[2] for line in said.splitlines())
        return tuple(found)

    def here(self, address: str) -> bool:
        """Answer as `Lookups.here` does."""
        return address in self._own

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset(host.own_addresses())

    def _addresses(self, name: str) -> tuple[str, ...]:
        if literal := _literal(name):
            return (literal,)
        found: dict[str, None] = {}
        for database in ("ahostsv4", "ahostsv6"):
            _, said, _ = _run("getent", database, name)
            found |= dict.fromkeys(text for line in said.splitlines() if (text := _literal(line.partition(" ")[0])))
        return tuple(address for address in found if not pack(address).startswith(_MAPPED))

    def _ask(self, table: str, key: str) -> str | None:
        if table in self._broken:
            raise Untold(self._broken[table])
        code, said, complaint = self._postmap("-q", key, table)
        if code == 0:
            return said.rstrip("\n")
        fatal = [line for line in complaint.splitlines() if ": fatal: " in line or code < 0]
        if code == 1 and not fatal:  # postmap ends so for a key that isn't there, and after "fatal:"
            return None
        self._broken[table] = f"{clean(table)}: {clean((fatal or [f'postmap ended with {code}'])[-1])}"
        raise Untold(self._broken[table])

    def _postmap(self, *words: str) -> tuple[int, str, str]:
        where = ["-c", str(self._directory)] if self._directory else []
        return _run("postmap", *where, *words)


def _run(program: str, *words: str) -> tuple[int, str, str]:
    """Return the exit code, the output and the complaints; a program that isn't there, or hangs, complains."""
    path = shutil.which(program) or shutil.which(program, path=FOLDERS)
    if not path:
        return -1, "", f"{program} is not installed here"
    try:
        done = subprocess.run(  # noqa: S603  the administrator's own words, and no shell reads them
            [path, *words], capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return -1, "", f"{program} does not run: {error}"
    return done.returncode, done.stdout, done.stderr


def _literal(text: str) -> str:
    """Return an IP address in its one spelling, without brackets; empty if it is none."""
    try:
        return unpack(pack(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        return ""


def _names(tables: str, *, partial: bool) -> Iterator[str]:
    """Read a list of tables, whose rows may stand in braces; we ask them ourselves, without a proxy's help."""
    for table in re.findall(r"(?:[^\s,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+", tables):
        name = table.removeprefix("proxy:")
        if not partial or name.partition(":")[0] not in _BY_PATTERN:
            yield name
