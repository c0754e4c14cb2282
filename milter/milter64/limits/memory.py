"""How much memory the caches of all workers may take together, and how it is divided among them.

A worker shares no cache with another, so each gets its part of one budget: more workers don't take more. Below a floor
a cache would be of no use, so with very many workers the budget is the floor for each. What isn't a cache is not in
the budget: what waits to be written, said or learned, and the table of the limits, have bounds of their own, and so
have small caches of what is worked out again in a moment, such as what an SPF record says.
"""

from dataclasses import dataclass
from typing import NamedTuple

MIB = 2**20
LEAST_EACH = 2 * MIB
"""Octets that each worker has in any case: some 300 findings, and what they rest on."""
_WEIGHED = 0.8
"""The part of it that entries may weigh; as much again as the rest is lost between them, as measured under floods."""


class Memory(NamedTuple):
    """So many octets; `text` is what was written, such as "64M"."""

    octets: int
    text: str


DEFAULT = Memory(octets=64 * MIB, text="64M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [limits]: what all caches of all workers may take together."""

    memory: Memory = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many octets the entries of each cache of one worker may weigh.

    `clients` are the decisions kept ready, `findings` what is remembered of checks, `answers` DNS's, `marks` the
    questions that timed out, and `rows` the greylist's that were read.
    """

    clients: int
    findings: int
    answers: int
    marks: int
    rows: int

    @property
    def octets(self) -> int:
        """How many octets of the budget these are."""
        return budgeted(self.clients + self.findings + self.answers + self.marks + self.rows)


def shares(memory: Memory, workers: int) -> Shares:
    """Divide the budget among so many workers, and what each has among its caches."""
    weight = int(max(memory.octets // workers, LEAST_EACH) * _WEIGHED)
    return Shares(
        clients=weight * 12 // 64,
        findings=weight * 20 // 64,
        answers=weight * 22 // 64,
        marks=weight // 64,
        rows=weight * 9 // 64,
    )


def budgeted(weight: int) -> int:
    """Return the octets of the budget that entries of this weight take."""
    return round(weight / _WEIGHED)


USUAL = shares(DEFAULT, 2)
"""What a worker has on a small mail server."""
