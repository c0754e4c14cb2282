"""The tables [allow] and [block], and [[recipient]]."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from milter64.lists.entry import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A list: its entries, and files that have more, one a line."""

    entries: tuple[Entry, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A recipient by his address, or all at a domain, and what is off for him."""

    address: str = ""
    domain: str = ""
    off: Literal["greylist", "all"] = "greylist"
