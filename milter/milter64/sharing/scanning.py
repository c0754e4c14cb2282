"""Goes through all rows on the servers."""

from collections.abc import Iterator

from milter64.sharing.interface import Servers
from milter64.sharing.keys import ROWS
from milter64.sharing.replies import answers, replies

_AT_ONCE = 50
"""Keys that are read at a time, about."""


def scanned(servers: Servers) -> Iterator[tuple[str, list[bytes] | None]]:
    """Yield keys of rows, each with what HGETALL answers, and between round trips nothing, as "" and None.

    A key that is there all the time comes up at least once.

    Raises:
        ServersGone: the servers are out of reach.
    """
    for shard in servers.shards():
        cursor = b"0"
        while True:
            ((cursor, keys),) = replies(shard([("SCAN", cursor, "MATCH", f"{ROWS}*", "COUNT", _AT_ONCE)]))
            found = answers(shard([("HGETALL", key) for key in keys])) if keys else []
            for raw, reply in zip(keys, found, strict=True):
                if not isinstance(reply, Exception):  # one that is no hash is told of by who has rows to put there
                    yield raw.decode(errors="replace"), reply
            yield "", None
            if cursor == b"0":
                break
