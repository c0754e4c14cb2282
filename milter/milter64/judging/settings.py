"""What judging needs to know of the configuration, which puts it together."""

from dataclasses import dataclass, field

from milter64.greylist.settings import Settings as GreylistSettings
from milter64.mail.finding import Key
from milter64.policy.action_table import Policy
from milter64.policy.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The parts of the settings that the engine uses.

    `own_name` is the name that our Authentication-Results bear, empty for the mail server's own; `header` has the
    questions whose answers stand in a message's fields, `observe` says that nobody is refused. `deadline` is the
    longest for a verdict, in seconds.
    """

    policy: Policy
    greylist: GreylistSettings = field(default_factory=GreylistSettings)
    trust: Trust = field(default_factory=Trust)
    deadline: float = 8.0
    own_name: str = ""
    header: frozenset[Key] = frozenset()
    observe: bool = False
