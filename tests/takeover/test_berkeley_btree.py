"""The reader of Berkeley DB's btrees, against databases that Berkeley DB's own programs wrote and read."""

import io
import subprocess
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milter64.takeover import db_dump
from milter64.takeover.berkeley_btree import Btree
from milter64.takeover.conversion import Unreadable

Rows = dict[bytes, bytes]

SEVERAL = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
"""Each example starts a program or two."""


def load(folder: Path, rows: Rows, *options: str) -> Path:
    """Have db_load write a database."""
    path = folder / "rows.db"
    path.unlink(missing_ok=True)
    text = "".join(f" {item.hex()}\n" for row in rows.items() for item in row)
    of = "" if "-t" in options else "type=btree\n"
    dump = f"VERSION=3\nformat=bytevalue\n{of}HEADER=END\n{text}DATA=END\n"
    subprocess.run(["db_load", *options, path], input=dump.encode(), check=True)
    return path


def dumped(path: Path, *options: str) -> bytes:
    return subprocess.run(["db_dump", *options, path], capture_output=True, check=True).stdout


def read(path: Path, damaged: list[str] | None = None) -> list[tuple[bytes, bytes]]:
    """Read a database; where nothing is said of damage, there must be none."""
    found: list[str] = []
    with path.open("rb") as file:
        rows = list(Btree(file).pairs((found if damaged is None else damaged).append))
    assert not found
    return rows


def items(longest: int) -> st.SearchStrategy[bytes]:
    """Draw octets, some more than go into a page."""
    return st.binary(min_size=1, max_size=40) | st.integers(1, longest).map(lambda size: Random(size).randbytes(size))


@SEVERAL
@given(st.dictionaries(items(3000), items(20_000), max_size=40), st.sampled_from([512, 1024, 4096, 65536]))
def test_reads_what_db_load_has_written_and_db_dump_reads(tmp_path: Path, rows: Rows, size: int) -> None:
    path = load(tmp_path, rows, "-c", f"db_pagesize={size}")
    assert sorted(read(path)) == sorted(rows.items())
    for options in ([], ["-p"]):
        text = dumped(path, *options)
        assert list(db_dump.pairs(io.BytesIO(text), pytest.fail)) == sorted(rows.items())


@pytest.mark.parametrize("order", ["1234", "4321"])
def test_reads_a_tree_of_many_levels_in_either_order_of_octets(tmp_path: Path, order: str) -> None:
    rows = {b"%d/%d" % (number, number % 97): b"%d,%d" % (number, number) for number in range(5000)}
    path = load(tmp_path, rows, "-c", "db_pagesize=512", "-c", f"db_lorder={order}")
    assert sorted(read(path)) == sorted(rows.items())


DELETE = """
use BerkeleyDB;
tie my %rows, "BerkeleyDB::Btree", -Filename => $ARGV[0] or die;
delete $rows{$_} for grep { $_ % 3 } keys %rows;
"""


def test_rows_that_were_deleted_are_gone(tmp_path: Path) -> None:
    rows = {b"%d" % number: b"%d" % number * 30 for number in range(1000)}
    path = load(tmp_path, rows)
    subprocess.run(["perl", "-e", DELETE, path], check=True)
    assert sorted(read(path)) == sorted((key, value) for key, value in rows.items() if int(key) % 3 == 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a database with all that postgrey's may have, and more."""
    long = {b"long %d" % number: Random(number).randbytes(number * 300) for number in range(20)}
    rows = long | {b"192.31.196.0/a@b.example/%d@c.example" % number: b"1795829266,1795829268" for number in range(99)}
    return load(tmp_path_factory.mktemp("whole"), rows, "-c", "db_pagesize=1024").read_bytes()


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw a copy with octets overwritten, or cut off."""
    copy = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(whole) // 1024 - 1)) * 1024 + draw(st.integers(0, 80) | st.integers(0, 1023))
        copy[place] = draw(st.integers(0, 255))
    return bytes(copy[: draw(st.just(len(copy)) | st.integers(0, len(copy)))])


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_of_a_damaged_file_reads_what_can_be_read_and_raises_nothing_but_a_clear_error(
    whole: bytes, data: st.DataObject
) -> None:
    damaged: list[str] = []
    with suppress(Unreadable):
        rows = list(Btree(io.BytesIO(data.draw(spoilt(whole)))).pairs(damaged.append))
        assert len(rows) <= len(whole) // 4
        assert len(damaged) <= len(whole) // 512


def test_a_damaged_page_costs_its_own_rows_alone_and_is_told(tmp_path: Path) -> None:
    rows = {b"%04d" % number: b"x" * 60 for number in range(500)}
    path = load(tmp_path, rows, "-c", "db_pagesize=1024")
    whole = bytearray(path.read_bytes())
    place = whole.index(b"0250") // 1024 * 1024
    whole[place + 8 : place + 12] = b"\xff" * 4
    path.write_bytes(whole)
    damaged: list[str] = []
    found = read(path, damaged)
    assert 480 < len(found) < 500
    assert (b"0250", b"x" * 60) not in found
    assert damaged == [f"page {place // 1024}"]


def test_an_overflow_that_bites_its_tail_ends(tmp_path: Path) -> None:
    path = load(tmp_path, {b"key": b"x" * 30_000}, "-c", "db_pagesize=512")
    whole = bytearray(path.read_bytes())
    for page in range(512, len(whole), 512):
        if whole[page + 25] == 7:
            whole[page + 16 : page + 20] = whole[page + 8 : page + 12]
    path.write_bytes(whole)
    damaged: list[str] = []
    assert read(path, damaged) == []
    assert len(damaged) == 1


@pytest.mark.parametrize(
    ("word", "options"), [("checksums", ["-c", "chksum=1"]), ("no btree", ["-t", "hash"])], ids=["checksums", "hash"]
)
def test_says_what_it_is_that_it_can_not_read(tmp_path: Path, word: str, options: list[str]) -> None:
    with pytest.raises(Unreadable, match=word):
        read(load(tmp_path, {b"key": b"value"}, *options))
