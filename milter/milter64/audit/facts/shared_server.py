"""The servers through which hosts share, as they say of themselves."""

from typing import TYPE_CHECKING

from milter64.config.problems import Problem
from milter64.config.settings import Settings
from milter64.sharing.interface import ServersGone
from milter64.sharing.remedies import remedy
from milter64.sharing.server_url import parse

if TYPE_CHECKING:
    from milter64.sharing.survey import Survey


def look(settings: Settings) -> tuple["Survey | None", Problem | None]:
    """Return what there is, and why nothing is known; neither is there where nothing is shared."""
    if not settings.greylist.shared:
        return None, None
    url = parse(settings.greylist.shared)
    try:
        from milter64.sharing.survey import survey  # noqa: PLC0415  who shares nothing needs no library for it
    except ImportError as error:
        what = f"redis-py can't be used: {error}"
        return None, Problem(what=what, remedy="run `apt install python3-redis`")
    try:
        return survey(url), None
    except ServersGone as gone:
        return None, Problem(what=str(gone), remedy=remedy(str(gone)))
