"""Which of a stranger's header fields some reader could take for ours (RFC 8601 5)."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from milter64.headers.authentication_results import AUTHENTICATION_RESULTS
from milter64.headers.received_spf import RECEIVED_SPF
from milter64.mail.idna_domain import ascii_domain

MOST = 100
"""Fields that are deleted from one message: the mail server looks through its header for each."""
_MOST_OCTETS = 65_536
"""Octets of Authentication-Results fields that are read in one message; what comes behind them is not trusted."""
_CLAIMS = {name.lower(): name for name in (AUTHENTICATION_RESULTS, RECEIVED_SPF)}


class ForgedFields:
    """The fields of one message that must go, in the order in which they came."""

    def __init__(self, authserv_id: str | None) -> None:
        """`authserv_id` is the id that our Authentication-Results bear, None if there are none, and those may stay."""
        self._authserv_id = authserv_id
        self._seen: Counter[str] = Counter()
        self._octets = 0
        self.places: list[tuple[str, int]] = []
        """Each as its name, of ours, and its number among the fields of that name, from 1 on."""

    @property
    def too_many(self) -> bool:
        """Whether there are more than can be deleted."""
        return len(self.places) > MOST

    def note(self, field: str, value: bytes) -> None:
        """Take note of a field of the message that bears the name of one of ours; all of them must be told of."""
        self._seen[field] += 1
        if not self.too_many and self._could_be_ours(field, value):
            self.places.append((field, self._seen[field]))

    def _could_be_ours(self, field: str, value: bytes) -> bool:
        """Whether a reader could take it for ours; a Received-SPF is, whoever it says has received (RFC 7208 9.1)."""
        if field == RECEIVED_SPF:
            return True
        if self._authserv_id is None:
            return False
        self._octets += len(value)
        return self._octets > _MOST_OCTETS or is_forged(value.decode(errors="surrogateescape"), self._authserv_id)


def claim(name: str) -> str | None:
    """Return the name of the field of ours that a field is; a blank may stand before the colon (RFC 5322 4.5)."""
    return _CLAIMS.get(name.rstrip(" \t").lower())


def is_forged(value: str, authserv_id: str) -> bool:
    """Whether an Authentication-Results field from outside must go: it bears our id, or another version than 1.

    A field that keeps to the grammar says itself whose it is (RFC 8601 2.2). One that doesn't goes where any reader
    could take it for ours: its first words before a "=" name us, however they are put together; where it has no such
    words, it goes if we are named anywhere. And whatever comes first, as an instance does in ARC (RFC 8617 4.1.1), it
    goes where words that are neither a property nor its value name us, or all that two semicolons hold.
    """
    value = value.encode(errors="ignore").decode()  # without the bytes that are no UTF-8
    ours = _spelling(authserv_id)
    if _bears(value, ours):
        return True
    if value.isascii():
        return False
    # To a reader who knows IDNA, full-width letters and dots are those of our name, and what can't be seen isn't there.
    mapped = unicodedata.normalize("NFKC", _UNSEEN.sub("", value)).replace("\u3002", ".")
    return _bears(mapped, ours)


_UNSEEN = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point, which UTS 46 leaves out of names, and some readers out of everything."""


def _bears(value: str, ours: re.Pattern[str]) -> bool:
    head, *later = _segments(value)
    if not re.search(r"\w", head) and ours.search(value):
        return True
    if "=?" in head:  # an encoded word, which RFC 2047 5 forbids here and some readers decode, may say anything
        return True
    if words := _HEAD.fullmatch(head):
        version = words["version"] or "1"
        if version.lstrip("0") != "1":
            return True
    else:
        first_words = re.sub(r"^\W+", "", head).partition("=")[0].translate(_UNQUOTED)
        if any(ours.search(first_words.replace("()", gap)) for gap in ("", " ")):
            return True
    return any(_names(segment, ours) for segment in (head, *later)) or any(
        _is(words, ours) for words in map(_HEAD.fullmatch, value.split(";")[1:]) if words
    )


def _names(segment: str, ours: re.Pattern[str]) -> bool:
    """Whether what stands between two semicolons has our id among its free words, and is no other id."""
    if words := _HEAD.fullmatch(segment):
        return _is(words, ours)
    if segment.lstrip().startswith("=?"):
        return True
    return any(ours.search(_free_words(segment.replace("()", gap))) for gap in ("", " "))


def _is(words: re.Match[str], ours: re.Pattern[str]) -> bool:
    name = words["token"] or re.sub(r"\\(.)", r"\1", words["quoted"], flags=re.DOTALL)
    return bool(ours.fullmatch(name.strip()))


_PIECE = re.compile(r'\\.|[^\\"();]+|.', re.DOTALL)
_CFWS = r"(?:\s|\(\))"
_HEAD = re.compile(
    rf'{_CFWS}*(?:(?P<token>[^\s\x00-\x1f\x7f()<>@,;:\\"/\[\]?=]+)|"(?P<quoted>(?:[^"\\]|\\.)*)")'
    rf"(?:{_CFWS}+(?P<version>[0-9]+))?{_CFWS}*",
    re.DOTALL,
)
"""authserv-id and version, each comment cut down to its parentheses."""
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^\s="])+|=', re.DOTALL)
_UNQUOTED = str.maketrans("", "", '"\\')


def _segments(value: str) -> Iterator[str]:
    """Yield what stands between semicolons, each comment cut down to "()"."""
    depth, quoted = 0, False
    kept: list[str] = []
    for piece in _PIECE.findall(value):
        if depth:
            depth += (piece == "(") - (piece == ")")
        elif quoted:
            quoted = piece != '"'
            kept.append(piece)
        elif piece == ";":
            yield "".join(kept)
            kept.clear()
        else:
            depth, quoted = int(piece == "("), piece == '"'
            kept.append("()" if depth else piece)
    yield "".join(kept)


def _free_words(text: str) -> str:
    """Return the words that are neither a property nor its value, without their quotes."""
    words = _WORD.findall(text)
    keys = {place - 1 for place, word in enumerate(words) if word == "="}
    values = {place + 2 for place in keys if place >= 0 and words[place] != "="}
    bound = keys | values
    return " ".join(word for place, word in enumerate(words) if place not in bound).translate(_UNQUOTED)


@lru_cache(maxsize=8)
def _spelling(authserv_id: str) -> re.Pattern[str]:
    """Return what matches an authserv-id as a whole word, its labels as A-labels or as U-labels (RFC 8601 5)."""
    labels = authserv_id.strip(" .").split(".")
    if labels == [""]:
        return re.compile(r"(?!)")  # nothing bears an empty name
    name = r"\s*\.\s*".join(map(_label, labels))
    return re.compile(rf"(?<![\w.@-]){name}\.?(?![\w-]|\.\w)", re.IGNORECASE)


def _label(label: str) -> str:
    spellings = [label]
    with suppress(UnicodeError):
        if label.lower().startswith("xn--"):
            spellings.append(label[4:].encode().decode("punycode"))
        elif not label.isascii():
            spellings.append(ascii_domain(label))
    return f"(?:{'|'.join(map(re.escape, spellings))})"
