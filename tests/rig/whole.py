"""What hosts that share have in their own stores, and what their server has: in the end all have the same."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import redis

from milter64.greylist.row import Record
from milter64.sharing import row_texts
from milter64.sharing.keys import MEMBERS, ROWS, digest
from rig.hosts import SharingHost
from rig.sharing import KIND

Rows = Mapping[tuple[str, str], Record]
"""By the pair's digest and the group, with times by the server's clock."""


def all_alike(hosts: Sequence[SharingHost], sockets: Sequence[Path]) -> bool:
    """Whether all hosts' own stores have the same rows, and the servers at some unix sockets together."""
    members: dict[bytes, bytes] = {}
    shared: dict[tuple[str, str], Record] = {}
    try:
        for socket in sockets:
            with closing(redis.Redis(unix_socket_path=str(socket), socket_timeout=2.0)) as server:
                members |= _members(server)
                shared |= _shared(server)
        by_store = {name.rpartition(b"#")[2].decode(): said for name, said in members.items()}
        offsets = [json.loads(by_store[host.name.rpartition("#")[2]])["offset"] for host in hosts]
        return all(_known(host, offset) == shared for host, offset in zip(hosts, offsets, strict=True))
    except (redis.RedisError, KeyError):
        return False


def _members(server: Any) -> Mapping[bytes, bytes]:  # noqa: ANN401  redis-py's types are other ones in each version
    found: Mapping[bytes, bytes] = server.hgetall(MEMBERS) if list(server.scan_iter(MEMBERS, count=10_000)) else {}
    return found


def _shared(server: Any) -> Rows:  # noqa: ANN401
    keys = list(server.scan_iter(f"{ROWS}*", count=10_000))
    with server.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        found = pipe.execute()
    return {
        (key.decode().removeprefix(ROWS), group.decode()): row_texts.load(text.decode(), 0.0)
        for key, rows in zip(keys, found, strict=True)
        for group, text in rows.items()
    }


def _known(host: SharingHost, offset: float) -> Rows:
    rows: dict[tuple[str, str], Record] = {}
    with closing(sqlite3.connect(f"file:{host.store}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT key, grp, row FROM rows").fetchall()
    for key, group, text in found:
        place = digest(key), group
        row = row_texts.load(row_texts.dump(KIND.load(text), offset), 0.0)
        rows[place] = KIND.merge(rows[place], row) if place in rows else row
    return rows
