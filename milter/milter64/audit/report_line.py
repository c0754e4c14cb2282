"""What the audit says: one line for each thing that it looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: `problem` loses mail or trust in it now, `warning` may, or can't be seen from here."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at.

    `subject` is what, `reason` why it has its level. `evidence` are the records, addresses and settings that say so,
    `see` is a command to see it oneself. `remedy` is what to do, empty for `ok` alone. All is for people; strangers'
    text in it is for the screen to clean.
    """

    level: Level
    subject: str
    reason: str
    evidence: tuple[str, ...] = ()
    see: str
    remedy: str = ""


def ok(subject: str, reason: str, *evidence: str, see: str) -> Line:
    """Say that something is as it should be."""
    return Line(level=Level.OK, subject=subject, reason=reason, evidence=evidence, see=see)


def warning(subject: str, reason: str, *evidence: str, see: str, remedy: str) -> Line:
    """Say that something may go wrong."""
    return Line(level=Level.WARNING, subject=subject, reason=reason, evidence=evidence, see=see, remedy=remedy)


def problem(subject: str, reason: str, *evidence: str, see: str, remedy: str) -> Line:
    """Say that something is wrong."""
    return Line(level=Level.PROBLEM, subject=subject, reason=reason, evidence=evidence, see=see, remedy=remedy)
