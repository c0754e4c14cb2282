"""Whom an entry names: the grammar of WHO, the same in files, in the configuration and on the command line.

- `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.1`: the addresses in a network
- `partner.example`, `.partner.example`: hosts of that name or one below, by confirmed reverse DNS
- `@partner.example`: senders at that domain, by SPF pass; `@.partner.example`: at those below too
- `user@partner.example`: a sender, by SPF pass
- `to:user@here.example`, `to:@here.example`, `to:@.here.example`: recipients
"""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from milter64.address.networks import pack, unpack
from milter64.lists.keys import network_key
from milter64.lists.mistakes import Mistake, Mistakes
from milter64.mail import sender_and_recipient
from milter64.mail.idna_domain import ascii_domain
from milter64.mail.session import split


class Who(NamedTuple):
    """Whom an entry names; `kind` is one of `listed.KINDS`, `key` is the same however it is written.

    `shape` has the octets of a network's address and the length of its prefix.
    """

    kind: str
    key: bytes
    shape: tuple[int, int] = (0, 0)


_TO = "to:"
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)*(?![0-9]+\Z)[a-z0-9_-]{1,63}")
_NUMBERS = re.compile(r"[0-9.*-]+(?:/.*)?")
_LENGTHS = {str(length): length for length in range(129)}


def parse(text: str, mistakes: Mistakes) -> Who:
    """Read WHO.

    Raises:
        Mistake: it is none, or can't be meant.
    """
    if "@" in text or text[: len(_TO)] == _TO:
        return _mail(text, mistakes)
    if ":" in text or "/" in text or _NUMBERS.fullmatch(text):
        packed, length = _network(text)
        mistakes.network(packed, length)
        return Who("network", network_key(packed, length), (len(packed), length))
    name = _domain(text.removeprefix("."), text)
    mistakes.name(name)
    return Who("name", f".{name}".encode())


def may_be(kind: str, keys: Iterable[bytes]) -> Callable[[bytes], bool]:
    """Return what tells of most lines, in no time, that they have none of these keys; of others it says that they may.

    In ASCII a domain, an IPv4 address, and the first number of an IPv6 address unless it is 0 are written in one way.
    """
    found = re.compile(b"|".join({re.escape(_part(kind, key)) for key in keys})).search
    return lambda raw: bool(found(raw.lower())) or not raw.isascii()


def _part(kind: str, key: bytes) -> bytes:
    packed = key[2:]
    if kind != "network":
        return key.rpartition(b"@")[2].lstrip(b".")
    if len(packed) == 4:  # noqa: PLR2004  an IPv4 address
        return unpack(packed).encode()
    return b"%x" % int.from_bytes(packed[:2]) if any(packed[:2]) else b":"


def _mail(text: str, mistakes: Mistakes) -> Who:
    if text.startswith(_TO):
        return Who("recipient", f"{_TO}{_mailbox(text.removeprefix(_TO), text)}".encode())
    if text.startswith("@"):
        domain = _mailbox(text, text)
        mistakes.domain(domain.lstrip("@."))
        return Who("domain", domain.encode())
    mistakes.sender()
    return Who("sender", _mailbox(text, text).encode())


def _network(text: str) -> tuple[bytes, int]:
    address, slash, written = text.partition("/")
    try:
        packed = pack(address)
    except ValueError:
        raise Mistake(f"{text} is no network", "write 192.0.2.0/24, 2001:db8::/32 or a single address") from None
    bits = len(packed) * 8
    length = _LENGTHS.get(written, 129) if slash else bits
    if length > bits:
        raise Mistake(f"{text} has no prefix length of 0 to {bits}", f"write such as {address}/{bits}")
    number = int.from_bytes(packed)
    if number & (1 << bits - length) - 1:
        first = unpack((number >> bits - length << bits - length).to_bytes(len(packed)))
        raise Mistake(
            f"{text} has bits set behind its length", f"write {first}/{length}, or {address} for this one alone"
        )
    return packed, length


def _domain(text: str, whole: str) -> str:
    name = ascii_domain(text)
    if not _NAME.fullmatch(name):
        globbed = whole.removeprefix(_TO).startswith(("*.", "@*."))
        example = f"write {whole.replace('*', '', 1)}" if globbed else "write a name such as mail.partner.example"
        raise Mistake(f"{whole} is no name of a host or a domain", example)
    return name


def _mailbox(text: str, whole: str) -> str:
    """Return a mailbox or the domain of one as it is compared: in lower case."""
    if text.startswith("@"):
        below = "." if text.startswith("@.") else ""
        return f"@{below}{_domain(text[1 + len(below) :], whole)}"
    mailbox = sender_and_recipient.read(f"<{text}>".encode(errors="surrogatepass"), None)
    if not mailbox or "@" not in mailbox:
        raise Mistake(f"{whole} is no address", "write user@partner.example, or @partner.example for a whole domain")
    local, domain = split(mailbox)
    if local == "*":
        raise Mistake(f"{whole} is one who is called *", "leave the * out")
    return f"{local.lower()}@{_domain(domain, whole)}"
