"""Who is trusted, as configured."""

from dataclasses import dataclass, field

from milter64.address.networks import Networks


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The table [trust]: who is not judged, by the address on the wire, and whether private addresses are.

    `translators` says that hosts behind a translator are meant to be among those, as few or as many as they are.
    """

    networks: Networks = field(default_factory=lambda: Networks(("127.0.0.0/8", "::1/128")))
    relays: Networks = field(default_factory=Networks)
    translators: bool = False
    authenticated: bool = True
    judge_private: bool = False
