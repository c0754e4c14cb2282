"""The public suffix list (publicsuffix.org): below which names anyone may register one of their own.

It is read from the newest copy at hand: that of Debian's package publicsuffix, or that of PyPI's publicsuffixlist,
which comes out every few days. The list's private section counts too: what a provider's customers register below its
name is theirs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from milter64.mail.idna_domain import ascii_domain

_DEBIAN = Path("/usr/share/publicsuffix/public_suffix_list.dat")
_NAME = "public_suffix_list.dat"
_VERSION = re.compile(r"// VERSION: (\d{4}-\d\d-\d\d)")
_DEEPEST = 10
"""Labels of a name that are looked at; no rule has as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuffixList:
    """The rules, with the file that they are from, and its date.

    `wildcards` are the names below which each is a suffix, `exceptions` those that are none all the same, and
    `branching` the TLDs below which there is any rule.
    """

    path: Path
    published: date
    suffixes: frozenset[str]
    wildcards: frozenset[str]
    exceptions: frozenset[str]
    branching: frozenset[str]

    def registered_domain(self, name: str) -> str:
        """Return the registered domain of a host name, such as example.co.uk; one that is a suffix is its own.

        A TLD that the list lacks is a suffix, as by the list's rule for such.
        """
        name = name.lower().rstrip(".")
        if name[name.rfind(".") + 1 :] not in self.branching:
            return ".".join(name.rsplit(".", 2)[-2:])
        name = ".".join(name.rsplit(".", _DEEPEST)[-_DEEPEST:])
        domain = name
        while name not in self.exceptions:
            _, _, below = name.partition(".")
            if name in self.suffixes or below in self.wildcards or not below:
                return domain
            domain, name = name, below
        return name

    def is_suffix(self, name: str) -> bool:
        """Whether anyone may register a name below `name`, one as DNS knows it."""
        _, _, below = name.partition(".")
        return not below or name in self.suffixes or (below in self.wildcards and name not in self.exceptions)


@cache
def suffix_list() -> SuffixList:
    """Read the newest list at hand; it takes some 20 ms, once."""
    return _newest(tuple(_files()))


@lru_cache(1024)  # those that are looked at come again
def registered_domain(name: str) -> str:
    """Return the registered domain of a host name."""
    return suffix_list().registered_domain(name)


def _files() -> Iterator[Path]:
    yield _DEBIAN
    package = find_spec("publicsuffixlist")
    yield from (Path(folder, _NAME) for folder in (package and package.submodule_search_locations) or ())


def _newest(paths: tuple[Path, ...]) -> SuffixList:
    published = {path: _published(path) for path in paths if path.exists()}
    path = max(published, key=published.__getitem__)
    # The whole text at once would take memory that isn't given back, and every process of the service has its share.
    with path.open(encoding="utf-8") as file:
        lines = (line.rstrip("\n").partition(" ")[0] for line in file)
        rules = frozenset(ascii_domain(line) for line in lines if line and not line.startswith("//"))
    return SuffixList(
        path=path,
        published=published[path],
        suffixes=frozenset(rule for rule in rules if rule[0] not in "*!"),
        wildcards=frozenset(rule[2:] for rule in rules if rule.startswith("*.")),
        exceptions=frozenset(rule[1:] for rule in rules if rule.startswith("!")),
        branching=frozenset(rule.rpartition(".")[2] for rule in rules if "." in rule),
    )


def _published(path: Path) -> date:
    """Return when a list was published; a file that doesn't say so is as old as its content."""
    with path.open(encoding="utf-8") as file:
        if version := next(filter(None, map(_VERSION.match, file)), None):
            return date.fromisoformat(version[1])
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
