"""A greylist with a row of each sort, and the verb that shows it, as an admin types it."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind, forget
from milter64.greylist.settings import Settings
from milter64.sharing.keys import LOADED, digest
from milter64.store.sqlite_reader import Reader

Run = Callable[..., tuple[int, str, str]]
"""Runs an action of `milter64 greylist`, and returns its exit code and what it has written."""
KIND = RecordKind(Settings())
NOW = 1_795_900_000.0  # 2026-11-28T21:06:40Z
WAITS = Record(generation=0, first_seen=NOW - 10)
PASSED = Record(generation=0, first_seen=NOW - 600, passed_at=NOW - 300)
NET, NET6, SPF, RDNS = "net:192.31.196.0/24", "net:2001:db8:1:2::/64", "spf:honest.example", "rdns:honest.example"
JOE, ANN, BOUNCE = (
    pair_key("joe@honest.example", "you@lab.example"),
    pair_key("ann+1@Honest.example", "you@lab.example"),
    pair_key("", "me@other.example"),
)
LIST = pair_key("list-bounce-123=you=lab.example@lists.example", "me@lab.example")
LONG = pair_key(f"{'x' * 700}@honest.example", "you@lab.example")
OTHERS = f"{LOADED}{digest(pair_key('far@away.example', 'you@lab.example'))}"
ROWS = {
    JOE: {NET: PASSED, SPF: PASSED},
    ANN: {NET6: WAITS},
    BOUNCE: {"net:198.51.100.0/24": WAITS, RDNS: WAITS},
    LIST: {"net:192.31.196.0/28": PASSED},
    LONG: {NET: WAITS},
    OTHERS: {NET: PASSED},
    "<out@x.example> <you@lab.example>": {NET: Record(generation=0, first_seen=NOW - 49 * 3600)},
    "<gone@x.example> <you@lab.example>": {NET: forget(PASSED, NOW - 100)},
    "net:192.31.196.7/32": {"to:1": PASSED, "earned": PASSED},
    "earned:3": {"net:192.31.196.7/32": PASSED},
    f"{LOADED}{digest('earned:3')}": {"net:192.31.196.7/32": PASSED},
}


def rows(path: Path) -> dict[tuple[str, str], Record]:
    with closing(Reader(path, KIND)) as reader:
        return {(key, group): row for key, group, row in reader.everything()}
