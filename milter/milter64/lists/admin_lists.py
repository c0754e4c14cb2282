"""The lists in force: what the configuration, files and commands say of a client, a sender, a recipient."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial, reduce
from math import inf
from operator import or_
from threading import Event, Lock, Thread

from milter64.address.client import Client
from milter64.address.frozen_dataclass import frozen
from milter64.lists import keys
from milter64.lists.entry import USUAL, Entry
from milter64.lists.index import Index, Rest, Shape
from milter64.lists.list_file import ListFile
from milter64.lists.listed import ALLOW, BLOCK, LISTED, NOT_LISTED, SPARED, Listed
from milter64.mail.clean_text import clean
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope
from milter64.mail.spares import Spares

_IPREV: Key = ("iprev", "policy.iprev")
_SPF: Key = ("spf", "smtp.mailfrom")
_LOOK_EVERY = 0.25
"""Seconds between two looks at a file."""
_STRETCH, _BREATH = 0.001, 0.0002
"""Seconds in which a list is read, and in which sessions have the GIL then."""
_KEPT = 1024
"""Recipients, and clients, of whom it is kept ready what the lists say: mail comes from and to the same ones."""
_LONGEST = 150
"""Characters of a comment that the log shows."""


class _Stopped(Exception):  # noqa: N818  nothing is wrong
    """What is read is of no use any more."""


class Written:
    """Entries that are in the configuration, at `place`."""

    def __init__(self, place: str, index: Index) -> None:
        """Take an index of them."""
        self._place = place
        self.in_force = index

    def place_of(self, _line: int) -> str:
        """Return where an entry is, for people."""
        return self._place


Source = Written | ListFile
"""Where entries are."""


@frozen
class _View:
    """What there is in a list, so that nobody looks for more: `names_spare` is all that entries of names do."""

    sources: Sequence[Source]
    masks: keys.Masks
    names: bool
    names_spare: Spares
    senders: bool
    recipients: bool


class AdminLists:
    """The block list and the allow list; every thread may look things up, and one for each file renews it."""

    def __init__(
        self, block: Sequence[Source], allow: Sequence[Source], clock: Callable[[], float] = time.time
    ) -> None:
        """Take where the entries of each are; `clock` tells the time by which they run out, in seconds since 1970."""
        self._sources: Mapping[str, Sequence[Source]] = {BLOCK: block, ALLOW: allow}
        self._clock = clock
        self._lock = Lock()  # for those who change what follows
        self.edition = 0
        self._views: Mapping[str, _View] = {}
        self._since = self._next_end = inf
        self._of_recipient = lru_cache(_KEPT)(self._recipient_found)
        self._of_addresses = lru_cache(_KEPT)(self._addresses_found)
        self._changed()

    @property
    def empty(self) -> bool:
        """Whether there is nothing in them."""
        return not self._views

    def of_sender(self, envelope: Envelope, known: Findings) -> Listed:
        """Return what the lists say of a client and a sender; of the findings in `known` those count that prove it."""
        views = self._views
        if not views:
            return NOT_LISTED
        found: list[Finding] = []
        may_block, may_spare = set[Key](), dict[Key, Spares]()
        iprev, spf = known.get(_IPREV), known.get(_SPF)
        found += self.of_client(envelope.session.client).findings
        for check, view in views.items():
            if view.names and _is_open(iprev):
                may_block |= {_IPREV} if check == BLOCK else set()
                may_spare |= {_IPREV: view.names_spare} if check == ALLOW else {}
            if view.names and iprev:
                found += self._found(check, view, keys.of_host(iprev))
            if view.senders and envelope.readable and _may_pass(check, spf):
                named = self._found(check, view, keys.of_sender(envelope.sender))
                if not _is_open(spf):
                    found += named
                elif named:
                    may_block |= {_SPF} if check == BLOCK else set()
                    may_spare |= {_SPF: _all_of(each.result for each in named)} if check == ALLOW else {}
        return Listed(findings=tuple(found), may_block=frozenset(may_block), may_spare=may_spare)

    def of_client(self, client: Client) -> Listed:
        """Return what they say of a client's addresses alone."""
        return self._of_addresses(keys.addresses(client), self.edition) if self._views else NOT_LISTED

    def _addresses_found(self, addresses: Sequence[bytes], _edition: int) -> Listed:
        found: list[Finding] = []
        for check, view in self._views.items():
            found += self._found(check, view, keys.of_addresses(addresses, view.masks))
        return Listed(findings=tuple(found)) if found else NOT_LISTED

    def of_recipient(self, recipient: str) -> Listed:
        """Return what they say of a recipient."""
        return self._of_recipient(recipient, self.edition) if self._views else NOT_LISTED

    def _recipient_found(self, recipient: str, _edition: int) -> Listed:
        found: list[Finding] = []
        for check, view in self._views.items():
            if view.recipients:
                found += self._found(check, view, keys.of_recipient(recipient))
        return Listed(findings=tuple(found)) if found else NOT_LISTED

    @contextmanager
    def watching(self, on_fault: Callable[[], None]) -> Iterator[None]:
        """Have files count as soon as they change, and entries run out in their second, meanwhile.

        `on_fault` is called while an exception is being handled that nobody has thought of.
        """
        stop = Event()
        files = [each for sources in self._sources.values() for each in sources if isinstance(each, ListFile)]
        ticks = [partial(self._look, each, stop) for each in files]
        threads = [
            Thread(target=_every, args=(stop, tick, self._pause, on_fault), name="lists", daemon=True)
            for tick in (self._end, *ticks)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _found(self, check: str, view: _View, names: keys.Keys) -> list[Finding]:
        """Return findings of the entries of a list that have one of the keys; of several alike the first."""
        now = self._clock()
        found: dict[tuple[str, str], Finding] = {}
        for kind, key in names:
            for source in view.sources:
                if (entry_and_line := source.in_force.find(key)) and entry_and_line[0].counts(now):
                    finding = _finding(check, kind, *entry_and_line, source)
                    found.setdefault((kind, finding.result), finding)
        return list(found.values())

    def _look(self, file: ListFile, stop: Event) -> None:
        if file.look(_turns(stop)):
            self._changed()

    def _end(self) -> None:
        if not self._since <= self._clock() < self._next_end:  # a clock may be set back
            self._changed()

    def _pause(self) -> float:
        return max(0.0, min(_LOOK_EVERY, self._next_end - self._clock()))

    def _changed(self) -> None:
        """Take note that other entries are in force."""
        with self._lock:
            self._since = now = self._clock()
            views = {check: _view(sources, now) for check, sources in self._sources.items()}
            self._views = {check: view for check, view in views.items() if view.sources}
            ends = [some for view in views.values() for each in view.sources for some in each.in_force.ends]
            self._next_end = min((_next(each, now) for each in ends), default=inf)
            self.edition += 1


def _view(sources: Sequence[Source], now: float) -> _View:
    in_each = {each: _shapes(each, now) for each in sources}
    shapes = set[Shape]().union(*in_each.values())
    lengths = {size: sorted({shape[3] for shape in shapes if shape[2] == size}, reverse=True) for size in (4, 16)}
    kinds = {shape[0] for shape in shapes}
    return _View(
        sources=[each for each, some in in_each.items() if some],
        masks={
            size: [(length, (1 << size * 8) - (1 << size * 8 - length)) for length in each]
            for size, each in lengths.items()
        },
        names="name" in kinds,
        names_spare=_all_of(spares or USUAL for kind, spares, _, _ in shapes if kind == "name"),
        senders=not kinds.isdisjoint(("domain", "sender")),
        recipients="recipient" in kinds,
    )


def _next(ends: Sequence[float], now: float) -> float:
    """Return the first of sorted times that is to come."""
    at = bisect_right(ends, now)
    return ends[at] if at < len(ends) else inf


def _shapes(source: Source, now: float) -> set[Shape]:
    """Return what a source has entries of that have not run out."""
    return {shape for shape, until in source.in_force.shapes.items() if until > now}


def _all_of(results: Iterable[str]) -> Spares:
    return reduce(or_, (SPARED[result] for result in results), Spares.NOTHING)


def _is_open(finding: Finding | None) -> bool:
    """Whether it isn't known what a question's answer is, or all of it; DNS may have given none."""
    return not finding or finding.result == "temperror" or finding.fact("unheard") is not None


def _may_pass(check: str, spf: Finding | None) -> bool:
    """Whether a sender is proven, or may be; that all the world may send is no proof of who it is."""
    if not spf or _is_open(spf):
        return True
    return spf.result == "pass" and not (check == ALLOW and spf.fact("broad") == "all")


def _finding(check: str, kind: str, entry: Entry, line: int, source: Source) -> Finding:
    place = source.place_of(line)
    aside = f"{clean(entry.because, _LONGEST)}, {place}" if entry.because else place
    return Finding(
        check=check,
        property=kind,
        result=LISTED if check == BLOCK else entry.spares or USUAL,
        reason=clean(entry.written),
        facts=(("aside", aside),),
    )


def _every(stop: Event, tick: Callable[[], None], pause: Callable[[], float], on_fault: Callable[[], None]) -> None:
    while not stop.wait(pause()):
        try:
            tick()
        except _Stopped:
            return
        except Exception:  # noqa: BLE001  what counted before counts on, and the next look may fare better
            on_fault()


def _turns(stop: Event) -> Rest:
    """Return what lets sessions have the GIL whenever the thread that calls it has worked long enough."""
    since = time.thread_time()

    def rest() -> None:
        nonlocal since
        if time.thread_time() - since >= _STRETCH:
            if stop.wait(_BREATH):
                raise _Stopped
            since = time.thread_time()

    return rest
