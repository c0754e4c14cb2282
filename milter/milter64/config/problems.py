"""What can be wrong with the configuration, apart from what reads it: many verbs do not."""

from dataclasses import dataclass
from pathlib import Path

from milter64.mail.clean_text import clean

DEFAULT = Path("/etc/milter64/milter64.toml")
WIDE = 500
"""Characters of each part of a problem that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in a file: at which key ("spf.actions.fail"), in which line if known, and how to mend it."""

    key: str = ""
    line: int | None = None
    what: str
    remedy: str


class ConfigError(ValueError):
    """A file that can't be used: `path`, and all its `problems`."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(
            f"{clean(str(self.path), WIDE)}{f':{problem.line}' if problem.line else ''}: "
            f"{f'{problem.key}: ' if problem.key else ''}{problem.what}; {problem.remedy}"
            for problem in self.problems
        )
