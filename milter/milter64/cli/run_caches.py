"""What the workers of a service keep together: memory that is made before the first of them, and used anew.

A crew's workers are forked from a supervisor that has the caches of the crew before: if each had memory of its own, it
would never be given back.
"""

from milter64.dns.resolver import AnswerCache, answer_cache
from milter64.guard.shared_by_workers import SharedNotes
from milter64.judging.remembered_findings import SharedFindings
from milter64.limits.memory import Shares


class SharedCaches:
    """DNS's answers, findings and guards' notes, for one crew of workers after the other."""

    def __init__(self) -> None:
        """Have no memory yet."""
        self._notes: SharedNotes | None = None
        self._sizes: tuple[int, int] | None = None
        self._answers: AnswerCache
        self._findings: SharedFindings

    def empty(self, memory: Shares) -> tuple[AnswerCache, SharedFindings]:
        """Return empty ones of these sizes, for workers that are forked from here on.

        Raises:
            OSError: the system has no room for them.
        """
        sizes = memory.answers, memory.findings
        if sizes == self._sizes:
            self._answers, self._findings = self._answers.anew(), self._findings.anew()
        else:
            self._answers, self._findings = answer_cache(memory.answers), SharedFindings(memory.findings)
            self._sizes = sizes
        return self._answers, self._findings

    def notes(self) -> SharedNotes:
        """Return notes for guards, who know from the start what the crew before has caught nameservers inventing."""
        self._notes = SharedNotes(self._notes)
        return self._notes
