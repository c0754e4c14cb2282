"""DNS's answers in a file, so that a replay can be run again without asking, and comes to the same.

The file is text, a line of JSON each, and grows at its end alone. The first line says what it is; a line that was cut
short by a crash is passed over, and one that comes later counts. What DNS gave no answer to is kept too: it is asked
again by who asks, and is without answer to who doesn't.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

from milter64.address.translator import Translator
from milter64.dns.lookup import Answer
from milter64.dns.resolver import Resolver
from milter64.dns.settings import Settings
from milter64.dns.side_by_side import Course
from milter64.dns.unanswered import Unanswered
from milter64.mail.clean_text import clean

HEAD = {"milter64": "answers", "schema": 1}
MOST = 300_000
"""Answers in a file: their places take 30 MB."""
_LONGEST = 524_288
"""Octets of a line: what the longest response of DNS may take, where each of its octets takes six."""


class AnswersUnreadable(Exception):  # noqa: N818  what is wrong is the file
    """The file is no file of answers; the text says why."""


class Answers:
    """Answers by name and type, of which only the places are in memory; every thread may look."""

    def __init__(self, file: BinaryIO) -> None:
        """Read a file from its beginning, or begin one.

        Raises:
            AnswersUnreadable: it is something else.
        """
        self._file = file
        self._places: dict[bytes, int] = {}
        self._lock = RLock()  # for the file's position, and all else
        self.left_out = 0
        """Answers that were too many for the file."""
        file.seek(0)
        first = file.readline(_LONGEST)
        if first:
            self._read(first)
        elif file.writable():
            self._write(HEAD)

    def _read(self, first: bytes) -> None:
        try:
            head = json.loads(first)
        except ValueError:
            head = None
        if not isinstance(head, dict) or head.get("milter64") != HEAD["milter64"]:
            raise AnswersUnreadable("it is no file of answers that milter64 replay has written")
        if head.get("schema") != HEAD["schema"]:
            raise AnswersUnreadable(f"its schema is {clean(str(head.get('schema')))}, and this milter64 reads 1")
        place, line = self._file.tell(), self._file.readline(_LONGEST)
        while line:
            if entry := _entry(line):
                self._note(entry[0], entry[1], place)
            place, line = self._file.tell(), self._file.readline(_LONGEST)
        if self._file.writable():
            self._file.seek(-1, 2)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def _note(self, name: str, rdtype: str, place: int) -> bool:
        key = _key(name, rdtype)
        if key not in self._places and len(self._places) >= MOST:
            self.left_out += 1
            return False
        self._places[key] = place
        return True

    def of(self, name: str, rdtype: str) -> Answer | Unanswered | None:
        """Return what is kept of a question, None if nothing is."""
        place = self._places.get(_key(name, rdtype))
        if place is None:
            return None
        with self._lock:
            self._file.seek(place)
            entry = _entry(self._file.readline(_LONGEST))
        return entry[2] if entry and entry[:2] == (name, rdtype) else None

    def keep(self, name: str, rdtype: str, outcome: Answer | Unanswered) -> None:
        """Keep what came of a question, as long as there is room."""
        line: dict[str, Any] = {"name": name, "type": rdtype, "at": round(time.time())}
        if isinstance(outcome, Answer):
            values = [each.decode("latin-1") if isinstance(each, bytes) else each for each in outcome.values]
            line |= {"exists": outcome.exists, "values": values, "ttl": outcome.ttl, "owner": outcome.name}
        else:
            line["error"] = str(outcome)
        with self._lock:
            if self._note(name, rdtype, self._file.seek(0, 2)):
                self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()

    def __len__(self) -> int:
        return len(self._places)


@contextmanager
def answers(path: Path, *, write: bool) -> Iterator[Answers]:
    """Open a file of answers; one that is to be written to is made if it isn't there.

    Raises:
        AnswersUnreadable: it is something else.
        OSError: it can't be opened.
    """
    with path.open(("r+b" if path.exists() else "w+b") if write else "rb") as file:
        yield Answers(file)


def _key(name: str, rdtype: str) -> bytes:
    return blake2b(f"{rdtype} {name}".encode(errors="surrogateescape"), digest_size=12).digest()


_Entry = tuple[str, str, Answer | Unanswered]


def _entry(line: bytes) -> _Entry | None:
    """Read a line, None if it is no whole one."""
    try:
        said = json.loads(line)
        name, rdtype = str(said["name"]), str(said["type"])
        if "error" in said:
            return name, rdtype, Unanswered(clean(str(said["error"])))
        values = tuple(_value(rdtype, each) for each in said["values"])
        exists, ttl, owner = bool(said["exists"]), int(said["ttl"]), str(said["owner"])
    except (ValueError, KeyError, TypeError):
        return None
    return name, rdtype, Answer(exists=exists, values=values, ttl=ttl, name=owner)


def _value(rdtype: str, written: Any) -> Any:  # noqa: ANN401  by type: see Answer
    if rdtype in ("TXT", "SPF"):
        return written.encode("latin-1")
    return tuple(written) if rdtype == "MX" else written


class KeptResolver(Resolver):
    """A resolver that looks into `kept` first, and asks the rest, unless it is not to."""

    def __init__(
        self,
        settings: Settings,
        translator: Translator,
        kept: Answers | None,
        *,
        asks: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read resolv.conf if the settings name no nameserver."""
        super().__init__(settings, translator, clock=clock)
        self._kept = kept
        self._asks = asks
        self._times = 0
        self.asked = 0
        """Questions that went to a nameserver."""
        self.missing = 0
        """Questions that had no answer, in the file or from DNS."""

    @property
    def generation(self) -> int:
        """Changes with what is known of DNS64s, and each time that all is to be forgotten."""
        return super().generation + self._times

    def forget(self) -> None:
        """Begin another generation."""
        self._times += 1

    @property
    def down(self) -> bool:
        """Whether no nameserver answers; who asks none can't tell."""
        return self._asks and super().down

    def alive(self, deadline: float) -> bool:
        """Whether a nameserver answers; it was so when the answers were kept."""
        return not self._asks or super().alive(deadline)

    def _resolve(self, name: str, rdtype: str, deadline: float) -> Course[Answer]:
        kept = self._kept.of(name, rdtype) if self._kept is not None else None
        if isinstance(kept, Answer):
            return kept
        if not self._asks:
            self.missing += 1
            raise Unanswered(str(kept) if kept else "the file of answers has none")
        self.asked += 1
        try:
            answer = yield from super()._resolve(name, rdtype, deadline)
        except Unanswered as error:
            self.missing += 1
            if self._kept is not None:
                self._kept.keep(name, rdtype, error)
            raise
        if self._kept is not None:
            self._kept.keep(name, rdtype, answer)
        return answer
