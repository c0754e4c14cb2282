"""The user that the service runs as: what it must be able to read is looked at with its rights."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from milter64.config.settings import Settings
from milter64.store.store_url import parse

_PACKAGES = "milter64"


@contextmanager
def its_rights(settings: Settings) -> Iterator[str]:
    """Have the rights of the service meanwhile, if we are root, and give its user's name; "" where nobody knows it.

    It is the package's, where there is one, and else the owner of the greylist's folder.
    """
    user = _user(settings)
    if not user or os.geteuid():
        yield user.pw_name if user and user.pw_uid == os.geteuid() else ""
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield user.pw_name
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _user(settings: Settings) -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(_PACKAGES)
    with suppress(OSError, KeyError):
        if path := parse(settings.greylist.local_store):
            return pwd.getpwuid(path.parent.stat().st_uid)
    return None
