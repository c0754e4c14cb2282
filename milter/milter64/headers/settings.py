"""The table [headers]."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The table [headers]: which fields are added. Where none is, none is deleted either."""

    authentication_results: bool = True
    received_spf: bool = False

    @property
    def any(self) -> bool:
        """Whether any field is added."""
        return self.authentication_results or self.received_spf
