"""How this host's sharing stands, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """As one worker has them; `up` is its own connection, `allowed`, `whole`, `hosts` and `lag` are the host's."""

    up: bool
    allowed: bool
    whole: bool
    hosts: int
    lag: float
    """In seconds."""
    rows_waiting: int
    lists_waiting: int
    limits_waiting: int
    """What has yet to go out."""
    rows_sent: int
    rows_received: int
    """Since the worker's start."""
