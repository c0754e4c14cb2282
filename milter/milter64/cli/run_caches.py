"""What the workers of a service keep together: memory that is made once, before the first of them, and used anew.

A crew's workers are forked from a supervisor that has the caches of the crew before: if each had memory of its own, it
would never be given back.
"""

from milter64.dns.resolver import AnswerCache, answer_cache
from milter64.judging.remembered_findings import SharedFindings
from milter64.limits.memory import Shares


class SharedCaches:
    """DNS's answers, and findings, for one crew of workers after the other."""

    def __init__(self) -> None:
        """Have no memory yet."""
        self._made: tuple[Shares, AnswerCache, SharedFindings] | None = None

    def empty(self, memory: Shares) -> tuple[AnswerCache, SharedFindings]:
        """Return empty ones of these sizes, for workers that are forked from here on.

        Raises:
            OSError: the system has no room for them.
        """
        if self._made:
            before, answers, findings = self._made
            if (before.answers, before.findings) == (memory.answers, memory.findings):
                return answers.anew(), SharedFindings(before=findings)
        made = answer_cache(memory.answers), SharedFindings(memory.findings)
        if self._made:
            answers.give_back()
            findings.kept.give_back()
        self._made = memory, *made
        return made
