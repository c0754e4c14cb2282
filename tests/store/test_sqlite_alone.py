"""The SQLite store where nothing but its own folder can be written, as in a container that is read-only."""

import sys
from pathlib import Path

import pytest

from rig.process import Process
from rig.rows import stored

SCRIPT = """
import sys
from pathlib import Path
from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_store import SqliteStore
from milter64.store.sqlite_table import Table
path, kind = Path(sys.argv[1]), RecordKind(Settings())
table = Table(path, kind, print, patience=1.0)
old = Record(generation=0, first_seen=1000.0)
table.merge([(f"old {number}", {f"net:10.{number >> 8}.{number & 255}.0/24": old}) for number in range(60_000)])
deleted = sum(table.make_room(30_000)), sum(table.expire(2e9))
print(sum(deleted), "deleted")
table.close()
store = SqliteStore(path, kind, print)
for number in range(200):
    store.merge(f"pair {number}", {"net:192.31.196.0/24": Record(generation=0, first_seen=3e9)})
store.close()
print("written")
"""
"""Grows the file by more than SQLite keeps in memory, counts and sorts and deletes, and adds 200 rows at once."""

READ_ONLY = "mount -t tmpfs -o ro none /tmp && mount -t tmpfs -o ro none /var/tmp"
FULL = "mount -t tmpfs -o size=4k none /tmp && mount --bind /tmp /var/tmp && head -c 4096 /dev/zero >/tmp/ballast"


@pytest.mark.parametrize("trouble", [READ_ONLY, FULL], ids=["read-only", "full"])
def test_no_temporary_file_is_needed(trouble: str, tmp_path: Path) -> None:
    script = tmp_path / "writer.py"
    script.write_text(SCRIPT)
    alone = f'mount --bind "$1" /mnt && {trouble} && cd /proc && exec "$2" -u /mnt/writer.py /mnt/rows.sqlite'
    with Process("unshare", "--mount", "sh", "-c", alone, "sh", tmp_path, sys.executable) as process:
        process.expect("written")
        assert process.output == "60000 deleted\nwritten\n"
    assert {key for key, _ in stored(tmp_path / "rows.sqlite")} == {f"pair {number}" for number in range(200)}
