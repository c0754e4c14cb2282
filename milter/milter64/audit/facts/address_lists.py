"""Postfix's lists of addresses, such as mynetworks: networks, files of them, and tables; the first match counts."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from milter64.address.networks import pack, parse_network, unpack
from milter64.address.translation_prefix import Prefix
from milter64.audit.facts.lookups import Lookups, Untold

PROBES = ("23.23.23.23", "81.81.81.81", "144.144.144.144", "203.203.203.203")
"""IPv4 addresses that have nothing in common: a network of one's own has none of them, all of IPv4 has each."""
_LARGEST = 2**20
_MAPPED = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """An element: its `text` in the list, and the network, table or name that it stands for, or that its file has.

    `excludes`: what matches is not in the list.
    """

    text: str
    value: str
    excludes: bool

    @property
    def network(self) -> str:
        """The network, such as "192.0.2.0/24"; empty if it is none. A socket's ::ffff:192.0.2.1 is IPv4."""
        address, slash, length = self.value.replace("[", "").replace("]", "").partition("/")
        try:
            packed = pack(address)
            if packed.startswith(_MAPPED) and int(length or "128") >= 96:  # noqa: PLR2004  the mapped addresses'
                return str(parse_network(f"{unpack(packed[12:])}/{int(length or '128') - 96}").cidr)
            return str(parse_network(f"{unpack(packed)}{slash}{length}").cidr)
        except ValueError:
            return ""

    @property
    def table(self) -> str:
        """The table, such as "hash:/etc/postfix/networks"; empty if it is none."""
        return self.value if not self.network and re.match(r"[\w-]+:", self.value) else ""


def patterns(value: str) -> list[Pattern]:
    """Read a list, between commas or blanks, with the files in it."""
    return [each for text in _words(value) for each in _patterns(text)]


def _patterns(text: str) -> Iterator[Pattern]:
    word, excludes = text.lstrip("!"), (len(text) - len(text.lstrip("!"))) % 2 == 1
    if not word.startswith("/"):
        yield Pattern(text=text, value=word, excludes=excludes)
        return
    content = ""
    with suppress(OSError), Path(word).open(errors="replace") as file:
        content = file.read(_LARGEST)
    for line in content.splitlines():
        for each in _words("" if line.startswith("#") else line):
            inner = each.lstrip("!")
            inverted = (len(each) - len(inner)) % 2 == 1
            yield Pattern(text=text, value=inner, excludes=excludes != inverted)


def _words(value: str) -> list[str]:
    return re.findall(r"[^\s,]*\{[^}]*\}|[^\s,]+", value)


def without(value: str, texts: Iterable[str]) -> str:
    """Return a list without some elements."""
    gone = set(texts)
    return " ".join(each for each in _words(value) if each not in gone)


def covering(value: str, prefix: Prefix, lookups: Lookups) -> list[Pattern]:
    """Return the elements by which all the world that comes through a translator is in a list, or much of it."""
    found, excluded = list[Pattern](), list[str]()
    probes = [unpack(packed) for each in PROBES if (packed := prefix.encode(pack(each)))]
    for each in patterns(value):
        if network := each.network:
            if any(parse_network(network) in parse_network(other) for other in excluded):
                continue
            if each.excludes:
                excluded.append(network)
                probes = [probe for probe in probes if parse_network(probe) not in parse_network(network)]
                if parse_network(prefix.text) in parse_network(network):
                    break
            elif prefix.covered_by(network):
                found.append(each)
        elif each.table:
            matching = [probe for probe in probes if _finds(lookups, each.table, probe)]
            if each.excludes:
                probes = [probe for probe in probes if probe not in matching]
            elif matching:
                found.append(each)
    return found


def _finds(lookups: Lookups, table: str, address: str) -> bool:
    try:
        return lookups.find(table, address) is not None
    except Untold:
        return False
