"""The user that the service runs as: what it must be able to read is looked at with its rights."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from milter64.config.settings import Settings
from milter64.store.store_url import parse


@contextmanager
def its_rights(settings: Settings) -> Iterator[str]:
    """Have the rights of the service meanwhile, if we are root, and give its user's name; "" where nobody knows it.

    It is the owner of the greylist's folder.
    """
    try:
        path = parse(settings.greylist.store)
        user = pwd.getpwuid(path.parent.stat().st_uid) if path else None
    except (OSError, KeyError):
        user = None
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
