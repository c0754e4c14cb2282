"""The table [greylist]."""

from dataclasses import dataclass, field
from typing import Literal

_FILE = "sqlite:/var/lib/milter64/greylist.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [greylist]; times in seconds.

    `store` is the host's own, as `store_url.open_store` reads it, or that of servers, as `server_url.parse` does; then
    `local` is the host's own.
    """

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
    store: str = field(default=_FILE, repr=False, metadata={"secret": True})
    local: str = field(default=_FILE, metadata={"secret": True})

    @property
    def shared(self) -> str:
        """The URL of the servers that hosts share, with a password maybe; "" if there are none."""
        return "" if self.store.startswith(("sqlite:", "memory:")) else self.store

    @property
    def local_store(self) -> str:
        """The URL of the host's own store."""
        return self.local if self.shared else self.store

    @property
    def local_key(self) -> str:
        """The key by which the configuration has it."""
        return "greylist.local" if self.shared else "greylist.store"
