"""SPF's words: the questions, and what to do about their answers.

They are apart from check_host(), as who reads the configuration needs no DNS.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from milter64.mail.action import Action

NAME = "spf"
HELO = "smtp.helo"
MAILFROM = "smtp.mailfrom"


class LeftTo(Enum):
    """Who is to decide in our stead about MAIL FROM's `fail`."""

    DMARC = auto()
    """Whoever checks DMARC behind us, where the sender's domain has a DMARC policy; elsewhere it is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Section [spf]: whether to ask, and what to do about each result for either identity."""

    enabled: bool = True
    helo_actions: Mapping[str, Action] = field(default_factory=lambda: {"fail": Action.REJECT})
    actions: Mapping[str, Action | LeftTo] = field(
        default_factory=lambda: {
            "fail": Action.REJECT,
            "softfail": Action.GREYLIST,
            "temperror": Action.GREYLIST,
            "permerror": Action.GREYLIST,
        }
    )

    @property
    def left_to_dmarc(self) -> bool:
        """Whether a fail is left to whoever checks DMARC."""
        return self.enabled and self.actions.get("fail") is LeftTo.DMARC
