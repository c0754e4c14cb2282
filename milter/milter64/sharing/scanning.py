"""Goes through all rows on the servers."""

from collections.abc import Iterator

from milter64.mail.clean_text import clean
from milter64.sharing.interface import Servers
from milter64.sharing.keys import PREFIX, ROWS
from milter64.sharing.replies import MayNotShare, answers, replies

_AT_ONCE = 200
"""Keys that are read at a time, about."""


def scanned(servers: Servers) -> Iterator[tuple[str, list[bytes] | None]]:
    """Yield keys of rows, each with what HGETALL answers, and between round trips nothing, as "" and None.

    A key that is there all the time comes up at least once.

    Raises:
        ServersGone: the servers are out of reach.
        MayNotShare: another program has a key under our prefix.
    """
    for shard in servers.shards():
        cursor = b"0"
        while True:
            ((cursor, keys),) = replies(shard([("SCAN", cursor, "MATCH", f"{ROWS}*", "COUNT", _AT_ONCE)]))
            found = answers(shard([("HGETALL", key) for key in keys])) if keys else []
            for raw, reply in zip(keys, found, strict=True):
                key = raw.decode(errors="replace")
                if isinstance(reply, Exception):
                    raise not_ours(key)
                yield key, reply
            yield "", None
            if cursor == b"0":
                break


def not_ours(key: str) -> MayNotShare:
    """Return that another program has a key under our prefix."""
    return MayNotShare(
        f"{clean(key)} on the server is none of ours, but begins with {PREFIX!r}: "
        "give milter64 a db number or a server of its own in greylist.store"
    )
