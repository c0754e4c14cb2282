"""The greylist's file, as the verb opens it: to read it beside the service, and to change it as a worker would."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from milter64.config.settings import Settings
from milter64.greylist.row import Record, RecordKind
from milter64.judging.row_clock import RowClock
from milter64.store.interface import StoreGone, StoreMissing
from milter64.store.sqlite_reader import Reader
from milter64.store.store_url import parse

if TYPE_CHECKING:
    from milter64.sharing.telling import Telling

Entries = Sequence[tuple[str, Mapping[str, Record]]]


class Refused(Exception):  # noqa: N818  it is said, and no error of the program
    """What is not done, why, and what helps; `code` is to be exited with."""

    code = os.EX_UNAVAILABLE


class Unavailable(Refused):
    """Something that it takes is not there."""


class Absent(Unavailable):
    """There is no file yet."""


class Misuse(Refused):
    """The command line can't be meant so."""

    code = os.EX_USAGE


class Interrupted(Refused):
    """Ctrl-C was pressed."""

    code = 128 + signal.SIGINT


@contextmanager
def saying_how_far(far: Callable[[], str]) -> Iterator[None]:
    """Have it said of what fails, or is interrupted, how far it came.

    Raises:
        Refused: it failed; the text says how far it came.
    """
    try:
        yield
    except Refused as why:
        raise type(why)(f"{why}; {far()}") from why
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {far()}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The file, what tells its rows, and the time by which they go."""

    reader: Reader[Record]
    kind: RecordKind
    now: Callable[[], float]


@contextmanager
def opened(settings: Settings) -> Iterator[Opened]:
    """Open the greylist's file to be read.

    Raises:
        Unavailable: it can't be, or there is none.
    """
    kind = RecordKind(settings.greylist)
    with _said(), closing(Reader(path_of(settings), kind)) as reader:
        yield Opened(reader=reader, kind=kind, now=RowClock(reader, settings.greylist.remember))


def path_of(settings: Settings) -> Path:
    """Return where the file is.

    Raises:
        Unavailable: there is none.
    """
    greylist = settings.greylist
    if path := parse(greylist.local_store):
        return path
    raise Unavailable(
        f'{greylist.local_key} = "memory:" keeps the greylist in the service alone; '
        'name a file such as "sqlite:/var/lib/milter64/greylist.sqlite" for it to be seen'
    )


class Change:
    """Merges rows by key and group into the file, and has all hosts that share know them first."""

    def __init__(self, merge: Callable[[Entries], None], telling: "Telling | None", dropped: Callable[[], int]) -> None:
        self._merge = merge
        self._telling = telling
        self._dropped = dropped

    def merge(self, entries: Entries) -> None:
        """Merge rows. If that fails half-way, to do it again does no harm."""
        if not entries:
            return
        if self._telling:
            from milter64.sharing.row_texts import rounded  # noqa: PLC0415  who shares nothing doesn't need it

            entries = [(key, {group: rounded(row) for group, row in rows.items()}) for key, rows in entries]
            self._telling.tell(entries)
        self._merge(entries)

    @property
    def dropped(self) -> int:
        """How many rows had to give way."""
        return self._dropped()

    @property
    def troubles(self) -> Sequence[str]:
        """What the servers don't take."""
        return self._telling.troubles if self._telling else ()


@contextmanager
def changing(settings: Settings, now: Callable[[], float], warn: Callable[[str], None]) -> Iterator[Change]:
    """Have the greylist changed, on all hosts that share.

    Raises:
        Unavailable: the file can't be written, or the servers can't be reached.
    """
    from milter64.store.sqlite_merging import Merging  # noqa: PLC0415  who only looks doesn't need it

    kind, greylist = RecordKind(settings.greylist), settings.greylist
    with (
        _said(),
        _telling(settings, kind, now) if greylist.shared else nullcontext() as telling,
        Merging(path_of(settings), kind, warn) as merging,
    ):
        yield Change(merging.merge, telling, lambda: merging.dropped)


@contextmanager
def _telling(settings: Settings, kind: RecordKind, now: Callable[[], float]) -> Iterator["Telling"]:
    from milter64.sharing.interface import ServersGone  # noqa: PLC0415  who shares nothing needs no redis-py
    from milter64.sharing.members import own_name  # noqa: PLC0415
    from milter64.sharing.replies import MayNotShare  # noqa: PLC0415
    from milter64.sharing.server_url import parse as parse_servers  # noqa: PLC0415

    url = parse_servers(settings.greylist.shared)
    try:
        from milter64.sharing.telling import Telling  # noqa: PLC0415

        with Telling(url, own_name(settings.greylist.local_store), kind, now) as telling:
            yield telling
    except ModuleNotFoundError as error:
        raise Unavailable("python3-redis is not installed; run `apt install python3-redis`") from error
    except ServersGone as gone:
        raise Unavailable(f"the other hosts can't be told: {gone}; start the server, and do it again") from gone
    except MayNotShare as why:
        raise Unavailable(f"the other hosts may not be told: {why}") from why


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except StoreGone as gone:
        raise (Absent if isinstance(gone, StoreMissing) else Unavailable)(str(gone)) from gone
