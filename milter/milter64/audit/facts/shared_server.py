"""The servers through which hosts share, as they say of themselves."""

from typing import TYPE_CHECKING

from milter64.config.settings import Settings
from milter64.sharing.interface import ServersGone
from milter64.sharing.server_url import parse

if TYPE_CHECKING:
    from milter64.sharing.survey import Survey


def look(settings: Settings) -> tuple["Survey | None", str]:
    """Return what there is, and why nothing is known; both are empty where nothing is shared."""
    if not settings.greylist.shared:
        return None, ""
    url = parse(settings.greylist.shared)
    try:
        from milter64.sharing.survey import survey  # noqa: PLC0415  who shares nothing needs no library for it
    except ImportError as error:
        return None, f"redis-py can't be used: {error}; run `apt install python3-redis`"
    try:
        return survey(url), ""
    except ServersGone as gone:
        return None, str(gone)
