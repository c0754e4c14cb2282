"""When which fault happens."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

SETTLED = 0.1
"""The part of a run after which the service is taken to have settled: no fault comes before."""
_LAST = 0.9
"""The part after which none comes."""
_ROUND = 600.0
"""Seconds in which each fault comes once, about."""
_STORMY = 0.7
"""The part of each round that has faults; the rest is calm, and shows what grows."""


def plan(faults: Sequence[T], seconds: float, chance: Random) -> list[tuple[float, float, T]]:
    """Return for each fault of a run when it begins, and the seconds until the next may."""
    begin, end = seconds * SETTLED, seconds * _LAST
    rounds = max(1, round((end - begin) / _ROUND))
    length = (end - begin) / rounds
    slot = length * _STORMY / len(faults)
    return [
        (begin + number * length + place * slot, slot, fault)
        for number in range(rounds)
        for place, fault in enumerate(chance.sample(faults, len(faults)))
    ]
