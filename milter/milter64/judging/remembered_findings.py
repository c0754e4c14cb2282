"""What is remembered of earlier answers, and until when it is good: nobody else knows, or tells anybody to forget.

A finding is never applied to a neighbour: iprev is kept for the exact decoded address; SPF for the exact address, HELO
and sender domain, or the whole sender where the record used its local part; DMARC for the sender domain; what a DNS
list says, for what it was asked about. It is kept for as long as the DNS records that it rests on, an hour at most; a
temperror never, but for a DNS list that isn't asked. All of an earlier generation of answers counts for nothing. Who
keeps something made of findings asks, each time that he uses it, how long they are still all that is known.

All workers remember together: what one of them has found out the others know.
"""

import mmap
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from math import inf
from time import monotonic, monotonic_ns
from typing import Protocol, Self

from milter64.address.frozen_dataclass import frozen
from milter64.checks.dns_list_settings import ACCEPTING, BLOCKING, LISTED
from milter64.limits.memory import USUAL
from milter64.limits.shared_cache import SharedCache
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope, split

LONGEST = 3600
"""Seconds that a finding is kept at most, and seconds that an expired one may still serve while DNS doesn't answer."""
_LARGEST = 65_536
_EDITIONS = 65_536
"""Numbers of addresses: where two have the same, news of one has the other looked up for nothing."""


class Answers(Protocol):
    """Answers of DNS, all of which may be forgotten: a `Resolver`, or what a test puts in its place."""

    @property
    def generation(self) -> int:
        """Another one from then on; the same wherever the same is known of what DNS64 invents."""


@frozen
class Validity:
    """How long what was recalled is all that is known: `until` a time, in its generation of answers and edition.

    The edition changes with everything that is found about an address with the same `number`.
    """

    until: float
    generation: int
    number: int
    edition: int


class SharedFindings:
    """Room for findings, made before the workers are forked that share it."""

    def __init__(self, capacity: int = USUAL.findings) -> None:
        """Have room for so many octets of findings.

        Raises:
            OSError: the system has none.
        """
        self.kept: SharedCache[tuple[int | str, ...], _Kept] = SharedCache(capacity, _LARGEST)
        self.editions: memoryview = memoryview(mmap.mmap(-1, 8 * _EDITIONS)).cast("Q")
        """When, in nanoseconds, something was found last about the addresses of a number."""

    def anew(self) -> Self:
        """Return room in the same memory, in which nobody finds what was kept before; see `SharedCache.anew`."""
        other = copy(self)
        other.kept = self.kept.anew()
        return other


class RememberedFindings:
    """Findings by their question and the facts that they rest on; thread-safe."""

    def __init__(
        self, answers: Answers, shared: SharedFindings | None = None, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """Keep findings in `shared`, or else alone; `clock` is one for all workers."""
        shared = shared or SharedFindings()
        self._answers = answers
        self._clock = clock
        self._kept, self._editions = shared.kept, shared.editions

    @property
    def bound(self) -> tuple[int, int]:
        """How much is kept, and how much may be, in octets."""
        return self._kept.weight, self._kept.capacity

    def recall(self, envelope: Envelope, keys: Iterable[Key], *, expired: bool = False) -> tuple[Findings, Validity]:
        """Return what was found earlier for the same facts, and how long that is all that is known.

        With `expired`, even what was found is returned whose time was up within the last hour, but for a DNS list's
        word against somebody: one that is dead costs no mail.
        """
        number = _number(envelope)
        generation, edition = self._answers.generation, self._editions[number]  # what changes from here on is not in it
        now = self._clock()
        since = now - (LONGEST if expired else 0)
        recalled, until = {}, inf
        for key in keys:
            facts = _facts(envelope, key)
            for each in (facts, (*facts, envelope.identity)) if key == _MAILFROM else (facts,):
                kept = self._kept.get((generation, *each))
                if kept and kept[0] > since and (kept[0] > now or not _against(key, kept[1])):
                    until, recalled[key] = min(until, kept[0]), _finding(key, kept)
                    break
        return recalled, Validity(until=until, generation=generation, number=number, edition=edition)

    def left(self, validity: Validity) -> float:
        """Return for how many seconds what was recalled is still all that is known; none if more was found since."""
        if validity.edition != self._editions[validity.number] or validity.generation != self._answers.generation:
            return 0.0
        return validity.until - self._clock()

    def lasting(self, envelope: Envelope, keys: Iterable[Key]) -> Mapping[Key, float]:
        """Return for how many seconds the answers to some questions are remembered, those alone that are."""
        recalled = {key: self.recall(envelope, [key]) for key in keys}
        return {key: self.left(validity) for key, (found, validity) in recalled.items() if found}

    def remember(self, envelope: Envelope, finding: Finding, ttl: int | None, generation: int = 0) -> None:
        """Keep a finding for `ttl` seconds, None if no DNS record was involved.

        `generation` is that of the answers it rests on, as it was before the first. What was recalled before about the
        same address is all that is known no more.
        """
        if finding.result == "temperror" and finding.check not in (BLOCKING, ACCEPTING):
            return  # of a DNS list that isn't asked, it is what there is to know
        facts = _facts(envelope, finding.key)
        if finding.key == _MAILFROM and finding.fact("local-part"):  # HELO's is postmaster always
            self._kept.drop((generation, *facts))  # of when the record did not use it
            facts = *facts, envelope.identity
        until = self._clock() + min(LONGEST if ttl is None else ttl, LONGEST)
        self._kept.put((generation, *facts), (until, finding.result, finding.reason, finding.facts))
        self._editions[_number(envelope)] = monotonic_ns()


_Kept = tuple[float, str, str, tuple[tuple[str, str], ...]]
"""Until when a finding is good, its result, its reason and its facts."""


def _finding(key: Key, kept: _Kept) -> Finding:
    _, result, reason, facts = kept
    return Finding(check=key[0], property=key[1], result=result, reason=reason, facts=facts)


def _number(envelope: Envelope) -> int:
    return hash(envelope.session.client.address) % _EDITIONS


_MAILFROM: Key = ("spf", "smtp.mailfrom")
_DMARC: Key = ("dmarc", "smtp.mailfrom")


def _against(key: Key, result: str) -> bool:
    return key[0] == BLOCKING and result == LISTED


def _facts(envelope: Envelope, key: Key) -> tuple[str, ...]:
    """Return what a finding rests on; MAIL FROM's local part, which few records use, is not in it."""
    session = envelope.session
    address = session.client.address
    if key == _MAILFROM:
        return *key, address, (session.helo or "").lower(), split(envelope.identity)[1]
    if key == _DMARC:
        return *key, split(envelope.identity)[1]
    if key[1] == "smtp.helo":
        return *key, address, (session.helo or "").lower()
    if key[0] in (BLOCKING, ACCEPTING):
        match key[1].partition("/")[2]:
            case "sender":
                return *key, split(envelope.sender)[1]
            case "helo":
                return *key, (session.helo or "").lower()
    return *key, address
