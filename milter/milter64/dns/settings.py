"""Who is asked by the checks, and how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The section `[dns]`.

    Each of `nameservers` is as `nameserver.nameserver` reads it; with none, those of /etc/resolv.conf are asked.
    `timeout` is the longest that one try may take and `deadline` the longest for a verdict, in seconds.
    """

    nameservers: tuple[str, ...] = ()
    timeout: float = 2.0
    deadline: float = 8.0
