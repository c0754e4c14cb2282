"""What the service warned of itself, as its log has it."""

from collections.abc import Mapping
from dataclasses import dataclass

_LEFT_OUT = frozenset({"time", "level", "event", "exception"})
"""Fields that say nothing more of it."""
_TELLING = frozenset({"trouble", "what", "why", "reason"})
"""Those that are told without their names."""
_LONGEST = 500


@dataclass(slots=True, kw_only=True)
class Trouble:
    """A warning of the service's own: how often there was it, and what the last one said."""

    count: int = 0
    last_at: float = 0.0
    level: str = ""
    said: str = ""

    def take(self, at: float, fields: Mapping[str, str]) -> None:
        """Take one more, of a time in seconds since 1970, out of the fields of its line."""
        told = [
            value if name in _TELLING else f"{name.replace('_', ' ')}: {value}"
            for name, value in fields.items()
            if name not in _LEFT_OUT
        ]
        self.count += 1
        self.last_at, self.level, self.said = at, fields["level"], "; ".join(told)[:_LONGEST]
