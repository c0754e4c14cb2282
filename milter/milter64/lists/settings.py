"""The tables [allow] and [block], and [[recipient]]."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from milter64.lists.entry import Entry, made
from milter64.lists.mistakes import Mistake, Mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A list: its entries, and files that have more, one a line."""

    entries: tuple[Entry, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A recipient, or all at a domain, and what is off for them."""

    address: str = ""
    domain: str = ""
    off: Literal["greylist", "all"] = "greylist"

    def entry(self) -> Entry:
        """Return the entry of the allow list that says the same.

        Raises:
            Mistake: there is none.
        """
        if bool(self.address) == bool(self.domain):
            raise Mistake("it takes an address or a domain", 'write address = "list@example.org", or domain = ...')
        if self.address and "@" not in self.address:
            raise Mistake(f"{self.address} is no address", f'write domain = "{self.address}"')
        if "@" in self.domain:
            raise Mistake(f"{self.domain} is no domain", 'write address = "list@example.org"')
        return made(f"to:{self.address or f'@{self.domain}'}", Mistakes(), blocks=False, spares=self.off)
