"""People in a log that keeps them to itself: a pseudonym stands for each local part, and no other text tells it.

A plain hash could be reversed with a list of names, so it takes a key to make one. The key is a file beside the
greylist: all workers have the same, and so have the next start and the next version.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from traceback import format_tb

from milter64.mail.finding import Finding
from milter64.mail.idna_domain import ascii_domain
from milter64.mail.session import split
from milter64.store.store_url import parse

_OCTETS = 32
_MODE = 0o600
_DIGITS = 16
"""Hexadecimal ones of a pseudonym."""
_DOMAIN = re.compile(r"[0-9a-z_-]+(?:\.[0-9a-z_-]+)*|\[[0-9a-fipv.:]+\]")
_NO_LETTERS = re.compile(r"[\W_]+")
_MAILBOX = re.compile(r"""(?<![^\s<>,;:"'(])(?<!inet:)(?<!inet6:)(?:"[^"]*"|[^\s<>,;:"'(@]+)@""")
"""A local part with its at sign, and not a port with one, as in inet:8864@localhost."""


def place(store: str) -> Path | None:
    """Return the key's file that belongs to a store's URL, beside it; None for a store that is no file."""
    path = parse(store)
    return path and path.with_name(f"{path.name}.key")


def key(path: Path | None) -> bytes:
    """Return the key in a file, where it is made if there is none; without a file, the process's own.

    Raises:
        OSError: it can't be read or written.
    """
    if path is None:
        return own_key()
    with suppress(FileNotFoundError):
        if path.stat().st_size == _OCTETS:
            return path.read_bytes()
        path.unlink()  # it is no key of ours, but a pipe maybe, which would keep us waiting
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor, and no path
            file.write(token_bytes(_OCTETS))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):  # another service was quicker
            path.hardlink_to(fresh)
    finally:
        fresh.unlink(missing_ok=True)
    return path.read_bytes()


@cache
def own_key() -> bytes:
    """Return a key that lasts as long as the process, and is that of all who are forked from it."""
    return token_bytes(_OCTETS)


class Pseudonyms:
    """What the log shows in the place of people, under one key."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 octets."""
        self._key = key
        self.of = lru_cache(1024)(self._of)  # mail comes from and to the same ones

    def _of(self, mailbox: str) -> str:
        """Return a mailbox with a pseudonym in the place of its local part; of what is no domain nothing is shown."""
        domain = split(mailbox)[1]
        return f"{self.digest(mailbox)}@{domain if _DOMAIN.fullmatch(domain) else ''}"

    def group(self, group: str) -> str:
        """Return a group of the greylist with a pseudonym in the place of its name."""
        kind, _, name = group.partition(":")
        return f"{kind}:{self.digest(name)}"

    def digest(self, text: str) -> str:
        """Return what stands for a text."""
        octets = text.encode(errors="surrogatepass")
        return blake2b(octets, key=self._key, digest_size=_DIGITS // 2).hexdigest()


def tells(text: str, mailboxes: Collection[str]) -> bool:
    """Whether a text has an address in it, or the local part of a mailbox, in any case and with any punctuation."""
    if "@" in text:
        return True
    words = f" {_words(text)} "
    return any(f" {form} " in words for mailbox in mailboxes for form in _forms(split(mailbox)[0]))


def tells_reason(finding: Finding, mailboxes: Collection[str]) -> bool:
    """Whether a finding's reason tells a local part: if it may by its nature, in whatever shape (RFC 7208 7.3)."""
    by_nature = finding.check == "path" or finding.fact("local-part")
    return bool(by_nature) or tells(f"{finding.reason} {finding.fact('aside') or ''}", mailboxes)


@lru_cache(maxsize=1024)
def _forms(local: str) -> frozenset[str]:
    """Return how a local part may be spelled, its tag left out too, and in A-labels as in a HELO name."""
    spelled = {_words(form) for form in (local, local.partition("+")[0], ascii_domain(local))}
    return frozenset({*spelled, *(form.replace(" ", "") for form in spelled)} - {""})


def _words(text: str) -> str:
    return _NO_LETTERS.sub(" ", text.casefold()).strip()


def without_mailboxes(text: str) -> str:
    """Return a text of ours with no local part in it that stands before an at sign."""
    return _MAILBOX.sub("...@", text)


def traceback(error: BaseException) -> str:
    """Return an exception's traceback, without what its message says of what it choked on."""
    return "\n".join(_told(error))


def _told(error: BaseException) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before:
        yield from _told(before)
    yield "Traceback (most recent call last):\n" + "".join(format_tb(error.__traceback__)).rstrip()
    message = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    yield f"{type(error).__qualname__}{message}"
