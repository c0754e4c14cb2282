"""Files that the URL of servers names: passwords, certificates and keys."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from stat import S_IROTH

from milter64.config.contradictions import for_all
from milter64.config.problems import Problem
from milter64.config.settings import Settings
from milter64.limits.regular_file import read
from milter64.mail.clean_text import clean
from milter64.sharing import server_url
from milter64.sharing.password_file import password

_KEY = "greylist.store"
_LARGEST = 1 << 24
"""Bytes of a file."""


def file_problems(settings: Settings, unread: Callable[[str, Path, OSError], None]) -> Iterator[Problem]:
    """Return what is to be minded of the files that the servers' URL names, as `list_sources.file_problems` does.

    What systemd gives the service as a credential isn't there for others.
    """
    if not settings.greylist.shared:
        return
    url = server_url.parse(settings.greylist.shared)
    whole = partial(read, most=_LARGEST)
    files: tuple[tuple[Path | None, str, Callable[[Path], object]], ...] = (
        (url.password_file, "the password", password),
        (url.sentinel_password_file, "the password", password),
        (url.ca, "", whole),
        (url.cert, "", whole),
        (url.key, "the key", whole),
    )
    for path, secret, reads in files:
        if not path:
            continue
        try:
            reads(path)
            for_everybody = path.stat().st_mode & S_IROTH
        except OSError as error:
            unread(_KEY, path, error)
            continue
        if secret and for_everybody:
            yield for_all(_KEY, f"{secret} in {clean(str(path))}", path)
