"""OpenDKIM's and OpenDMARC's lists of hosts: who is meant, and who arrives by the text that they compare.

They compare the address on the wire, in its shortest spelling, with what stands there; of a network, its first address.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote

from milter64.address.networks import PRIVATE, Network, Networks, pack, shown, unpack
from milter64.address.translation_prefix import Prefix
from milter64.audit.facts.facts import Facts
from milter64.audit.facts.host_lists import HostList
from milter64.audit.report_line import Line, ok, problem, warning
from milter64.audit.rules.published_mx import Published

_ENTRY = re.compile(r"!?(?P<address>\[[0-9a-f:.]+\]|[0-9a-f:.]+)(?:/(?P<length>\d{1,3}))?", re.IGNORECASE)
_RIGHTS = {
    "InternalHosts": "it signs whatever they send in a domain of yours",
    "PeerList": "it looks at nothing that they send",
    "IgnoreHosts": "it looks at nothing that they send",
}
_SHOWN = 5
"""Entries that are shown of many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An address or a network in a list, as it is written, and as numbers."""

    text: str
    network: Network

    @property
    def right(self) -> str:
        """How it would have to be written."""
        return shown(self.network) if "/" in self.text else unpack(self.network[0])

    def covers(self, prefix: Prefix) -> bool:
        """Whether all of IPv4 behind a prefix is in it."""
        return prefix.covered_by(shown(self.network))

    @property
    def found(self) -> bool:
        """Whether it stands as it is compared; IPv4 is compared by number, and an address may have brackets."""
        return ":" not in self.text or re.sub(r"[][!]", "", self.text.lower()) == self.right


def host_lists(facts: Facts, _found: Published) -> Iterator[Line]:
    """Yield the lines on each list."""
    for each in facts.host_lists:
        lines = list(_faults(facts, each))
        see = _see(each)
        yield from lines or [ok(_subject(each), "each host is written as it arrives", str(each.file), see=see)]


def _subject(hosts: HostList) -> str:
    return f"{hosts.setting} of {hosts.program}"


def _see(hosts: HostList) -> str:
    return f"cat {quote(str(hosts.file))}"


def _faults(facts: Facts, hosts: HostList) -> Iterator[Line]:
    entries = list(_read(hosts))
    subject, see = _subject(hosts), _see(hosts)
    then = f"and restart {hosts.program.lower()}"
    prefixes = facts.settings.translation.prefixes
    counting = [each for each in entries if each.found and not each.text.startswith("!")]
    if holding := [each for each in counting if any(each.covers(prefix) for prefix in prefixes)]:
        yield problem(
            subject,
            f"all of IPv4 behind the translator is in it: {_RIGHTS[hosts.setting]}",
            *_some(each.text for each in holding),
            see=see,
            remedy=f"take {', '.join(_some(each.text for each in holding))} out, {then}",
        )
    if unfound := [each for each in entries if not each.found]:
        yield warning(
            subject,
            "it compares text, and finds no address that isn't in its shortest spelling",
            *_some(each.text for each in unfound),
            see=see,
            remedy=f"write {', '.join(_some(f'{each.right} for {each.text}' for each in unfound))}, {then}",
        )
    if (
        missing := dict(_missing(facts, entries, Networks(shown(each.network) for each in counting)))
        if facts.translated
        else {}
    ):
        told = _some(f"{' and '.join(forms)} beside {text}" for text, forms in missing.items())
        yield warning(
            subject,
            "hosts behind the translator are not found by their IPv4 addresses: it knows the address on the wire alone",
            *_some(missing),
            see=see,
            remedy=f"write {', '.join(told)}, {then}",
        )


def _read(hosts: HostList) -> Iterator[_Entry]:
    """Yield what is an address or a network; names are not looked up."""
    for text in hosts.entries:
        if match := _ENTRY.fullmatch(text):
            with suppress(ValueError):
                packed = pack(match["address"].strip("[]"))
                bits = len(packed) * 8
                length = min(int(match["length"] or bits), bits)
                first = int.from_bytes(packed) >> bits - length << bits - length
                yield _Entry(text=text, network=(first.to_bytes(len(packed)), length))


def _missing(facts: Facts, entries: list[_Entry], counting: Networks) -> Iterator[tuple[str, list[str]]]:
    """Yield the public IPv4 entries whose forms on the wire no entry has, with these."""
    for each in entries:
        if len(each.network[0]) == 4 and each.network[0] not in PRIVATE:  # noqa: PLR2004  an IPv4 address's length
            forms = [form for form, _ in facts.translator.encode_network(each.network) if not counting.covers(*form)]
            if forms:
                yield each.text, [unpack(form[0]) if "/" not in each.text else shown(form) for form in forms]


def _some(texts: Iterable[str]) -> list[str]:
    found = list(texts)
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], f"{more} more"] if more > 0 else found
