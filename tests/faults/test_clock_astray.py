"""A start with the host's clock in 2099: no row is deleted, who was known is, and the next start is as ever."""

import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from milter64.greylist.pair import pair_key
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import SqliteStore
from rig.direct import Message
from rig.lab import Lab
from rig.process import until
from rig.service import Milter64

IN_2099 = 4070908800
AHEAD = f"import time, sys; time.time = lambda: {IN_2099}.0; from milter64.__main__ import main; sys.exit(main())"
SENDER = "a@none.example"


class Service(Milter64):
    """milter64, which greylists everybody and needs no DNS for it."""

    def offer(self, recipient: str) -> str:
        """Offer a message, and return what the log says of the greylist."""
        message = Message(address="192.0.2.1", helo="none.example", sender=SENDER, recipient=recipient)
        before = len(self.log)
        message.send(self)
        lines = until(lambda: [line for line in self.log[before:] if recipient in line.get("to", "")])
        return str(lines[0]["greylist"])


class Astray(Service):
    program = (sys.executable, "-c", AHEAD, "run", "--config")


@pytest.mark.parametrize("first", [False, True], ids=["one start in between", "the first start of all"])
def test_one_start_in_2099_forgets_nobody_and_changes_nothing_for_good(lab: Lab, tmp_path: Path, first: bool) -> None:  # noqa: FBT001  a column
    path = tmp_path / "rows.sqlite"
    settings = f"""
        [milter]
        workers = 1
        [greylist]
        apply = "all"
        store = "sqlite:{path}"
        [iprev]
        enabled = false
        [spf]
        enabled = false
        """
    now = time.time()
    if not first:
        with closing(SqliteStore(path, RecordKind(Settings()), pytest.fail)) as store:
            store.merge(pair_key(SENDER, "known@lab.example"), {"net:192.0.2.0/24": passed(now - 86400.0)})
            store.merge(pair_key("other@none.example", "known@lab.example"), {"net:192.0.2.0/24": passed(now)})
            store.merge(pair_key(SENDER, "waits@lab.example"), {"net:192.0.2.0/24": waits(now - 3600.0)})
    astray = lab.start(Astray, settings)
    assert astray.offer("new@lab.example") == "new"
    if not first:
        assert astray.offer("known@lab.example") == "passed"
    assert astray.stop() == 0
    service = lab.start(Service, settings)
    assert service.offer("new@lab.example") == "waiting"
    assert service.offer("late@lab.example") == "new"
    if not first:
        assert service.offer("known@lab.example") == "passed"
        assert service.offer("waits@lab.example") == "passed"
    assert service.stop() == 0
    with closing(SqliteStore(path, RecordKind(Settings()), pytest.fail)) as store:
        assert store.sizes()["rows"] == 2 if first else 5
        [late] = store.read(pair_key(SENDER, "late@lab.example")).values()
        latest = store.latest()
    assert now <= late.first_seen <= time.time()
    assert latest is not None
    assert now <= latest <= time.time()


def waits(since: float) -> Record:
    return Record(generation=0, first_seen=since)


def passed(since: float) -> Record:
    return Record(generation=0, first_seen=since, passed_at=since)
