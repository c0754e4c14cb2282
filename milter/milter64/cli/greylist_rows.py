"""Which rows of the greylist are meant, and what is told of each."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from milter64.address import as_written
from milter64.address.networks import Network, pack
from milter64.address.translator import Translator
from milter64.cli.greylist_file import Misuse
from milter64.cli.terminal_layout import Screen
from milter64.greylist.pair import pair_key, recipient_of, sender_of
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.greylist.wave_through import counts_passings, registers
from milter64.lists.entry import shown_second
from milter64.mail import sender_and_recipient
from milter64.mail.clean_text import clean
from milter64.mail.idna_domain import ascii_domain
from milter64.sharing.keys import LOADED, digest
from milter64.store.sqlite_reader import Reader

Row = tuple[str, str, Record]
"""Key, group and what is remembered of them."""
Told = dict[str, Any]

_KINDS = ("net:", "spf:", "rdns:")
_LOADED_REGISTERS = frozenset(f"{LOADED}{digest(key)}" for key in registers())
_LONGEST = 400
"""Characters of an address that are shown."""
COLOURS = {"waiting": "yellow", "passed": "green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Rows that are meant, all where nothing is said.

    Sender and recipient are as keys have them, in brackets, or "@domain>"; where both are whole, `pair` is their key.
    """

    sender: str = ""
    recipient: str = ""
    pair: str = ""
    network: Network | None = None
    group: str = ""
    state: str = ""

    def __bool__(self) -> bool:
        return any((self.sender, self.recipient, self.network, self.group, self.state))

    def rows(self, reader: Reader[Record], kind: RecordKind, now: float) -> Iterator[Row]:
        """Yield those rows of pairs that say something still."""
        for chunk in self.chunks(reader):
            yield from (row for row in chunk if self.means(row, kind, now))

    def chunks(self, reader: Reader[Record]) -> Iterator[Sequence[Row]]:
        """Yield rows among which all are that are meant, some at a time."""
        if self.pair:
            keys = (self.pair, f"{LOADED}{digest(self.pair)}")
            yield [(key, group, row) for key in keys for group, row in sorted(reader.read(key).items())]
        else:
            yield from reader.chunks()

    def means(self, row: Row, kind: RecordKind, now: float) -> bool:
        """Whether a row is a pair's, says something still, and is meant."""
        key, group, record = row
        return (
            is_of_pair(row)
            and (not self.state or (self.state == "waiting") == kind.waits(record))
            and bool(self.pair or (_fits(self.sender, sender_of(key)) and _fits(self.recipient, recipient_of(key))))
            and self.means_group(group)
            and not record.forgotten
            and kind.expires(record) >= now
        )

    def means_group(self, group: str) -> bool:
        """Whether rows of a group are meant."""
        return (not self.group or self.group == group) and (not self.network or _overlap(self.network, group))

    @property
    def by_group_alone(self) -> bool:
        """Whether it is said by their group, and by nothing else, which rows are meant."""
        return bool(self.group or self.network) and not (self.sender or self.recipient or self.state)


def wanted(arguments: argparse.Namespace, translator: Translator) -> Wanted:
    """Return what the command line means.

    Raises:
        Misuse: it can't be told.
    """
    try:
        return _wanted(arguments, translator)
    except ValueError as error:
        raise Misuse(str(error)) from error


def _wanted(arguments: argparse.Namespace, translator: Translator) -> Wanted:
    sender, recipient = _mailbox(arguments.sender), _mailbox(arguments.to)
    whole = None not in {arguments.sender, arguments.to} and not f"{arguments.sender}{arguments.to}".startswith("@")
    whole = whole and not arguments.to.startswith("@")
    group = arguments.group or ""
    if group and not group.startswith(_KINDS):
        raise ValueError(f"{group!r} is no group such as net:192.0.2.0/24, spf:partner.example or rdns:partner.example")
    return Wanted(
        sender="" if sender is None else _in_keys(sender, sender_of),
        recipient="" if recipient is None else _in_keys(recipient, recipient_of),
        pair=pair_key(sender or "", recipient or "") if whole else "",
        network=_network(arguments.network, translator) if arguments.network else None,
        group=group,
        state="waiting" if arguments.waiting else "passed" if arguments.passed else "",
    )


def _mailbox(text: str | None) -> str | None:
    """Return an address as the service reads it, or a domain behind its "@"; None where there is no text."""
    if text is None:
        return None
    if text.startswith("@"):
        return f"@{ascii_domain(text[1:]) or text[1:].lower()}"
    address = sender_and_recipient.read(text.encode(errors="surrogateescape") or b"<>", None)
    if address is None:
        raise ValueError(f"{text!r} is no address such as user@example.org, nor a domain such as @example.org")
    return address


def _in_keys(mailbox: str, part_of: Callable[[str], str]) -> str:
    if mailbox.startswith("@"):
        return f"{mailbox}>"
    return part_of(pair_key(mailbox, mailbox))


def _fits(wanted: str, part: str) -> bool:
    """Whether a sender or recipient in a key is meant."""
    return not wanted or (part.endswith(wanted) if wanted.startswith("@") else part == wanted)


def _network(text: str, translator: Translator) -> Network:
    """Return a network, or that of a client alone, by its address as it is on the wire."""
    if "/" in text:
        return as_written.network(text)
    return as_written.network(translator.client(as_written.address(text)).network(32, 128))


def _overlap(wanted: Network, group: str) -> bool:
    if not group.startswith("net:"):
        return False
    address, _, length = group[4:].partition("/")
    try:
        first, shared = pack(address), min(wanted[1], int(length))
    except ValueError:
        return False
    shift = len(first) * 8 - shared
    return len(first) == len(wanted[0]) and int.from_bytes(first) >> shift == int.from_bytes(wanted[0]) >> shift


def is_of_pair(row: Row) -> bool:
    """Whether a row is a pair's, and not one by which a group earns to be waved through."""
    key, group, _ = row
    return key not in _LOADED_REGISTERS and not counts_passings(key, group)


def told(row: Row, settings: Settings, kind: RecordKind) -> Told:
    """Return what is told of a row; what programs get. Who sends to whom is None where nobody knows."""
    key, group, record = row
    named = bool(sender_of(key))
    waits = kind.waits(record)
    return {
        "from": sender_of(key)[1:-1] if named else None,
        "to": recipient_of(key)[1:-1] if named else None,
        "group": group,
        "state": "forgotten" if record.forgotten else "waiting" if waits else "passed",
        "since": shown_second(record.first_seen),
        "until": shown_second(record.first_seen + settings.delay) if waits else None,
        "passed": None if record.passed_at is None or record.forgotten else shown_second(record.passed_at),
        "expires": shown_second(kind.expires(record)),
    }


def cells(each: Told, screen: Screen) -> Sequence[str]:
    """Return how a row is shown to people, under HEAD."""
    return (
        screen.paint(each["state"], COLOURS[each["state"]]),
        each["until"] or each["passed"],
        clean(each["group"], _LONGEST),
        "?" if each["from"] is None else clean(f"<{each['from']}>", _LONGEST),
        "?" if each["to"] is None else clean(f"<{each['to']}>", _LONGEST),
    )


HEAD = ("STATE", "UNTIL, OR LAST", "GROUP", "FROM", "TO")
