"""How much memory the caches of all workers may take together, and how it is divided among them.

What checks have found and what DNS has answered the workers keep together, in memory that they share. Of the other
caches each has its own, and gets its part of the budget: more workers don't take more. Below a floor a cache would be
of no use, so with very many workers they take more than the budget. What isn't a cache is not in the budget: what
waits to be written, said or learned, and the table of the limits, have bounds of their own, and so have small caches of
what is worked out again in a moment, such as what an SPF record says.
"""

from dataclasses import dataclass
from typing import NamedTuple

MIB = 2**20
LEAST_EACH = 2 * MIB
"""Octets, with its part of what is kept together, for which each worker's own caches are made in any case."""
_WEIGHED = 0.8
"""The part of a worker's octets that entries may weigh; the rest is lost between them, as measured under floods."""


class Memory(NamedTuple):
    """So many octets; `text` is what was written, such as "64M"."""

    octets: int
    text: str


DEFAULT = Memory(octets=32 * MIB, text="32M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [limits]: what all caches of all workers may take together."""

    memory: Memory = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many octets there are for what so many `workers` keep.

    `findings` is what is remembered of checks, and `answers` DNS's, by all of them together. In each, `clients` is what
    decisions kept ready may weigh, `marks` questions that timed out, and `rows` those of the greylist that were read.
    """

    workers: int
    findings: int
    answers: int
    clients: int
    marks: int
    rows: int

    @property
    def octets(self) -> int:
        """How many octets of the budget all of it is."""
        return self.findings + self.answers + self.workers * budgeted(self.clients + self.marks + self.rows)


def shares(memory: Memory, workers: int) -> Shares:
    """Divide the budget among what so many workers keep together and what each keeps by itself."""
    weight = int(max(memory.octets // workers, LEAST_EACH) * _WEIGHED)
    return Shares(
        workers=workers,
        findings=memory.octets * 18 // 64,
        answers=memory.octets * 12 // 64,
        clients=weight * 20 // 64,
        marks=weight // 64,
        rows=weight * 13 // 64,
    )


def budgeted(weight: int) -> int:
    """Return the octets of the budget that entries of this weight take."""
    return int(weight / _WEIGHED)


USUAL = shares(DEFAULT, 2)
"""What there is on a small mail server."""
