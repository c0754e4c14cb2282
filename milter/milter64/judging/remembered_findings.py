"""What is remembered of earlier answers, and for how long.

A finding is never applied to a neighbour: iprev is kept for the exact decoded address; SPF for the exact address, HELO
and sender domain, or the whole sender where the record used its local part. It is kept for as long as the DNS records
that it rests on, an hour at most; a temperror never. All of an earlier generation of answers counts for nothing.
"""

from collections.abc import Callable, Iterable
from math import inf
from time import monotonic

from milter64.limits.bounded_cache import Cache
from milter64.mail.finding import Finding, Findings, Key
from milter64.mail.session import Envelope, split

LONGEST = 3600
"""Seconds that a finding is kept at most, and seconds that an expired one may still serve while DNS doesn't answer."""
_CAPACITY = 10 * 2**20
"""Octets of findings: some 7,000, and fewer of those about whom strangers have much to say."""
_LARGEST = 65_536


class Memory:
    """Findings by their question and the facts that they rest on; thread-safe."""

    def __init__(self, capacity: int = _CAPACITY, clock: Callable[[], float] = monotonic) -> None:
        """Keep findings of `capacity` octets at most; those that were used longest ago go first."""
        self._clock = clock
        self._kept: Cache[tuple[str, ...], _Kept] = Cache(capacity, _LARGEST, _weight)

    @property
    def bound(self) -> tuple[int, int]:
        """How much is kept, and how much may be, in octets."""
        return self._kept.weight, self._kept.capacity

    def recall(
        self, envelope: Envelope, keys: Iterable[Key], generation: int = 0, *, expired: bool = False
    ) -> tuple[Findings, float]:
        """Return what was found earlier for the same facts, and until when all of it is good, a value of the clock.

        With `expired`, even what was found is returned whose time was up within the last hour.
        """
        since = self._clock() - (LONGEST if expired else 0)
        recalled, until = {}, inf
        for key in keys:
            facts = _facts(envelope, key)
            for each in (facts, (*facts, envelope.identity)) if key == _MAILFROM else (facts,):
                kept = self._kept.get(each)
                if kept and kept[0] > since and kept[1] == generation:
                    until, recalled[key] = min(until, kept[0]), kept[2]
                    break
        return recalled, until

    def remember(self, envelope: Envelope, finding: Finding, ttl: int | None, generation: int = 0) -> None:
        """Keep a finding for `ttl` seconds, None if no DNS record was involved.

        `generation` is that of the answers it rests on (see `Resolver.generation`), as it was before the first.
        """
        if finding.result == "temperror":
            return
        facts = _facts(envelope, finding.key)
        if finding.key == _MAILFROM and finding.fact("local-part"):  # HELO's is postmaster always
            self._kept.drop(facts)  # of when the record did not use it
            facts = *facts, envelope.identity
        until = self._clock() + min(LONGEST if ttl is None else ttl, LONGEST)
        self._kept.put(facts, (until, generation, finding))


_Kept = tuple[float, int, Finding]
"""Until when a finding is good, the generation of the answers that it rests on, and the finding."""

_FINDING, _FACT = 600, 180
"""Octets of a finding and of each of its facts, without what is said in them."""


def _weight(facts: tuple[str, ...], kept: _Kept) -> int:
    """Return about what `cache.octets` would, in less time."""
    finding = kept[2]
    told = sum([_FACT + len(value) for _, value in finding.facts])
    return _FINDING + 60 * len(facts) + len("".join(facts)) + len(finding.reason) + told


_MAILFROM: Key = ("spf", "smtp.mailfrom")


def _facts(envelope: Envelope, key: Key) -> tuple[str, ...]:
    """Return what a finding rests on; MAIL FROM's local part, which few records use, is not in it."""
    session = envelope.session
    address = session.client.address
    if key == _MAILFROM:
        return *key, address, (session.helo or "").lower(), split(envelope.identity)[1]
    if key[1] == "smtp.helo":
        return *key, address, (session.helo or "").lower()
    return *key, address
