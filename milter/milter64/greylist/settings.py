"""The table [greylist]."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [greylist]; times in seconds, `store` as `store_url.open_store` reads it."""

    enabled: bool = True
    apply: Literal["suspect", "all"] = "suspect"
    delay: float = 60.0
    retry_window: float = 48 * 3600.0
    remember: float = 36 * 86400.0
    ipv4_prefix: int = 24
    ipv6_prefix: int = 64
    wave_through: int = 10
    wave_over: float = 7 * 86400.0
    skip_recipients: tuple[str, ...] = ()
    store: str = "sqlite:/var/lib/milter64/greylist.sqlite"
