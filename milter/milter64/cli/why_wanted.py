"""What `milter64 why` is asked about: a token, a queue id, an address or a sender, typed or within what was pasted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from milter64.address import as_written
from milter64.address.translator import Translator
from milter64.cli import log_line
from milter64.config.settings import Settings
from milter64.greylist.pair import without_bounce_tag
from milter64.mail import sender_and_recipient
from milter64.mail.session import split
from milter64.telemetry import pseudonyms

TOKEN, QUEUE, ADDRESS, SENDER = "token", "queue id", "address", "sender"
EITHER = f"{TOKEN} or {QUEUE}"
"""Eight digits without anything that tells which it is."""
OF_ONE_MAIL = frozenset({TOKEN, QUEUE, EITHER})

_IN_REPLY = re.compile(r"\(milter64 ([0-9a-f]{8})\)")
_IN_OURS = re.compile(
    r'[^=<"{]*(?:time=\S+ level=[a-z]+ event=[^<]*?\bsession=|\{"time": "[^<]*?"session": ")([0-9a-f]{8})\b'
)
_TOKEN = re.compile(r"\(?(?:milter64 )?([0-9a-f]{8})\)?", re.IGNORECASE)
"""As it stands in a bounce, or as it was told by telephone."""
_QUEUE_ID = r"[0-9A-F]{5,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,24}"
"""Postfix's, short and long."""
_QUEUE = re.compile(_QUEUE_ID)
_IN_POSTFIXS = re.compile(rf"[^=<]*?/[a-z]+\[[0-9]+\]: ({_QUEUE_ID}): ")

_NOTHING = "{!r} is no token, queue id, address or sender, nor a line or a reply that has one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked about; `texts` are all that it may look like in a log, in lower case."""

    kind: str
    value: str
    texts: tuple[str, ...]

    @property
    def token(self) -> str:
        """The token that it is or may be, if any."""
        return self.value.lower() if self.kind in {TOKEN, EITHER} else ""

    @property
    def queue(self) -> str:
        """The queue id that it is or may be, if any."""
        return self.value if self.kind in {QUEUE, EITHER} else ""

    def is_of(self, fields: Mapping[str, str]) -> bool:
        """Whether a line of ours is about it, by its fields."""
        if self.kind in OF_ONE_MAIL:
            names = (("session", self.token), ("queue", self.queue))
            return any(value and fields.get(name) == value for name, value in names)
        if self.kind == ADDRESS:
            return fields.get("client") in self.texts or fields.get("wire") in self.texts
        local, at, domain = fields.get("from", "").lower().removeprefix("<").rpartition("@")
        return f"<{without_bounce_tag(local)}{at}{domain}" in self.texts


def wanted(text: str, translator: Translator, pseudonym: Callable[[str], str] | None) -> Wanted:
    """Return what a text means; `pseudonym` makes what the log shows in the place of a sender.

    Raises:
        ValueError: it can't be told.
    """
    text = " ".join(text.split())
    if token := _token(text):
        kind, value = (EITHER, text) if _QUEUE.fullmatch(text) else (TOKEN, token)
        return Wanted(kind=kind, value=value, texts=(token,))
    if " " in text:
        if in_postfixs := _IN_POSTFIXS.match(text):
            return _queue(in_postfixs[1])
        try:
            return _address(log_line.read(text).client, translator)
        except ValueError:
            raise ValueError(_NOTHING.format(text)) from None
    try:
        return _address(as_written.address(text), translator)
    except ValueError:
        if _QUEUE.fullmatch(text):
            return _queue(text)
    mailbox = sender_and_recipient.read(text.encode(errors="surrogateescape"), None)
    if mailbox is None:
        raise ValueError(_NOTHING.format(text))
    names = {f"<{mailbox}>".lower()} | ({f"={mailbox}>".lower()} if mailbox else set())  # a bounce tag ends so
    if pseudonym and mailbox:
        names |= {f"<{pseudonym(each)}>" for each in (mailbox, _lower(mailbox))}
    return Wanted(kind=SENDER, value=mailbox, texts=tuple(sorted(names)))


def _token(text: str) -> str:
    """Return the token that a text is or has; ours is at a reply's end."""
    if ours := _IN_OURS.match(text):
        return ours[1]
    alone = _TOKEN.fullmatch(text)
    return str(alone[1]).lower() if alone else (_IN_REPLY.findall(text) or [""])[-1]


def _queue(queue: str) -> Wanted:
    return Wanted(kind=QUEUE, value=queue, texts=(queue.lower(),))


def _address(wire: str, translator: Translator) -> Wanted:
    client = translator.client(wire)
    encoded = [address for address, _ in translator.encode(client.address)] if "." in client.address else []
    return Wanted(kind=ADDRESS, value=client.address, texts=tuple(dict.fromkeys([client.address, wire, *encoded])))


def _lower(mailbox: str) -> str:
    local, domain = split(mailbox)
    return f"{local.lower()}@{domain}"


def maker_of_pseudonyms(settings: Settings, warn: Callable[[str], None]) -> Callable[[str], str] | None:
    """Return what makes a pseudonym of a sender, if the log has such."""
    if settings.log.privacy != "hash":
        return None
    place = pseudonyms.place(settings.greylist.local_store)
    if place is None:
        warn('the log has pseudonyms whose key the service alone has (greylist "memory:"): ask by token or address')
        return None
    try:
        return pseudonyms.Pseudonyms(place.read_bytes()).of
    except OSError as error:
        warn(f"the log has pseudonyms, and their key, {place}, can't be read: {error.strerror}; try it as root")
        return None
