"""What the host lacks for a configuration that is right: folders, groups, libraries, rights of the service's user."""

import grp
import os
import stat
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from milter64.config.problems import Problem
from milter64.config.settings import Settings
from milter64.sharing import server_url
from milter64.store import store_url

_SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd runs (sd_booted(3))."""
_BY_UNIT = frozenset({"/run/milter64", "/var/lib/milter64", "/var/spool/postfix/milter64"})
"""What the package's unit makes when it starts."""
_FOLLOWS_FAILOVERS = 5
"""The first redis-py whose client of Clusters does."""
_QUEUE = Path("/var/spool/postfix")
"""Debian's, which is the root folder of its chrooted smtpd."""


def made(folder: Path, user: str) -> str:
    """Return the command that makes a folder for the service's user, as the unit does it where Postfix has to enter."""
    owner = f"-o {user} " if user else ""
    return f"install -d {owner}{'-g postfix -m 2750 ' if _QUEUE in folder.parents else ''}{folder}"


def host_problems(settings: Settings, user: str) -> Iterator[Problem]:
    """Return what would keep the service from listening, or from having a greylist, on this host.

    `user` is the service's, whose rights we have; "" if we don't, and nothing is known of rights.
    """
    if isinstance(address := settings.milter.socket.address, str):
        folder = Path(address).parent
        yield from _folder_problem("milter.socket", folder, user)
        yield from _group_problem(settings.milter.socket_group, folder, user)
    if store := store_url.parse(settings.greylist.local_store):
        key = settings.greylist.local_key
        yield from _folder_problem(key, store.parent, user)
        if user and os.path.lexists(store) and not os.access(store, os.R_OK | os.W_OK, effective_ids=True):
            what = f"the user {user} may not read and write {store}"
            yield Problem(key=key, what=what, remedy=f"run `chown {user} {store}*`")


def library_problems(settings: Settings) -> Iterator[Problem]:
    """Return that the library that speaks with servers is missing, or too old: the service goes on alone without it."""
    if not settings.greylist.shared:
        return
    try:
        found = version("redis")
    except PackageNotFoundError:
        what = "python3-redis is not installed, and this host shares nothing"
        yield Problem(key="greylist.store", what=what, remedy="run `apt install python3-redis`")
        return
    url = server_url.parse(settings.greylist.shared)
    if url.kind == "cluster" and int(found.partition(".")[0]) < _FOLLOWS_FAILOVERS:
        what = f"a Cluster takes redis-py {_FOLLOWS_FAILOVERS} or later, which follows failovers, and this is {found}"
        remedy = "take Debian 13's python3-redis, or name one server or Sentinels"
        yield Problem(key="greylist.store", what=what, remedy=remedy)


def _folder_problem(key: str, folder: Path, user: str) -> Iterator[Problem]:
    if str(folder) in _BY_UNIT and _SYSTEMD.is_dir():
        return
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        yield Problem(key=key, what=f"there is no folder {folder}", remedy=f"run `{made(folder, user)}`")
        return
    except OSError as error:
        is_folder = isinstance(error, PermissionError)
    if not is_folder:
        yield Problem(key=key, what=f"{folder} is no folder", remedy="write a path in a folder")
    elif user and not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        what = f"the user {user} may not make files in {folder}"
        yield Problem(key=key, what=what, remedy="name a folder of its own, or give it this one with `chown`")


def _group_problem(name: str, folder: Path, user: str) -> Iterator[Problem]:
    """Return what is wrong with a socket's group: a folder may hand its own on, and else the user has to be in it."""
    if not name:
        return
    try:
        group = grp.getgrnam(name).gr_gid
    except KeyError:
        what = f"there is no group {name}"
        yield Problem(key="milter.socket_group", what=what, remedy="write one that `getent group` shows")
        return
    mine = {os.getegid(), *os.getgroups()}
    if user and os.geteuid() and group not in mine and not _hands_on(folder, group):
        yield Problem(
            key="milter.socket_group",
            what=f"the user {user} is not in the group {name}, and can't give it the socket",
            remedy=f"run `usermod -a -G {name} {user}`, and restart milter64",
        )


def _hands_on(folder: Path, group: int) -> bool:
    """Whether a folder gives its group to the files in it, and it is this one."""
    try:
        status = folder.stat()
    except OSError:
        return False
    return status.st_gid == group and bool(status.st_mode & stat.S_ISGID)
