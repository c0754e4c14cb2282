"""What sqlgrey 1.8 and milter-greylist 4.6.4 wrote, taken over as rows of ours."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from milter64.greylist.row import Record
from milter64.greylist.settings import Settings
from milter64.greylist.wave_through import earned
from milter64.lists.mistakes import Mistakes
from milter64.takeover import database, sqlgrey
from milter64.takeover.conversion import Conversion, LeftOut, Row, Unreadable
from milter64.takeover.recognise import Kind, recognise
from rig.envelopes import TRANSLATOR

SAMPLES = Path(__file__).parent / "samples"
DUMP = SAMPLES / "milter-greylist.db"
SEEN = 1_795_829_348
"""When the sample of sqlgrey was written last."""
DUMPED = 1_795_829_352
"""When milter-greylist dumped its rows, by the clock of the host."""


def conversion(now: float, settings: Settings | None = None) -> Conversion:
    return Conversion(TRANSLATOR, settings or Settings(), now)


def rows(path: Path, now: float, left_out: LeftOut | None = None, settings: Settings | None = None) -> list[Row]:
    noted = LeftOut() if left_out is None else left_out
    return list(database.rows(path, recognise(path), conversion(now, settings), noted))


def reasons(left_out: LeftOut) -> dict[str, int]:
    return {omission.reason: omission.times for omission in left_out}


def restored(folder: Path, method: str) -> Path:
    """Return sqlgrey's database by a greymethod; that of "smart" was written a second later."""
    path = folder / "sqlgrey.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((SAMPLES / f"sqlgrey-{method}.sql").read_text().replace(str(SEEN + 1), str(SEEN)))
    return path


@pytest.fixture(params=["full", "smart"])
def database_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return restored(tmp_path, request.param)


def test_sqlgrey_tells_who_waits_and_which_domains_are_let_in(database_file: Path) -> None:
    left_out = LeftOut()
    found = rows(database_file, SEEN + 60, left_out)
    (pair, group, waiting), *waved = found
    assert pair == "<w@example.net> <bob@example.com>"
    assert group == "net:198.51.100.0/24"
    assert waiting == Record(generation=0, first_seen=SEEN)
    by_key = {key: {name: row} for key, name, row in waved}
    assert earned(by_key["spf:example.org"], SEEN + 60, Settings())
    assert list(by_key) == ["spf:example.org", next(key for key in by_key if key.startswith("earned:"))]
    assert sum(reasons(left_out).values()) == 3


def test_sqlgreys_senders_become_lines_of_an_allow_list_that_end(database_file: Path) -> None:
    left_out = LeftOut()
    lines = sqlgrey.allow_lines(database_file, conversion(SEEN + 60), Mistakes(), left_out)
    assert list(lines) == ["carol@example.org spares=greylist until=2027-01-03T01:29:08Z"]
    assert set(reasons(left_out)) == {
        "what changes in its sender from mail to mail was taken out",
        "bounces are let in from there: they have no sender to be named by",
    }


@pytest.mark.parametrize("name", ["to:carol", "", "TO:", "a b", "a\nto:@example.org", "a\u202eb", "a spares=all"])
def test_no_name_of_a_sender_that_sqlgrey_lets_in_lets_in_others(tmp_path: Path, name: str) -> None:
    path, left_out = restored(tmp_path, "full"), LeftOut()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE from_awl SET sender_name = ?", (name,))
    assert list(sqlgrey.allow_lines(path, conversion(SEEN + 60), Mistakes(), left_out)) == []
    assert "it is no sender that an allow list can have" in reasons(left_out)


@pytest.mark.parametrize("domain", ["a b", "a\nb", " "])
def test_what_sqlgrey_lets_in_that_is_no_domain_is_left_out(tmp_path: Path, domain: str) -> None:
    path, left_out = restored(tmp_path, "full"), LeftOut()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE domain_awl SET sender_domain = ?", (domain,))
    assert [key for key, *_ in rows(path, SEEN + 60, left_out) if not key.startswith("<")] == []
    assert reasons(left_out)["it has no sender and recipient that are mail addresses"] == 1


def test_a_network_of_sqlgreys_that_is_wider_than_ours_is_left_out(tmp_path: Path) -> None:
    left_out = LeftOut()
    narrow = Settings(ipv4_prefix=32)
    found = rows(restored(tmp_path, "smart"), SEEN + 60, left_out, narrow)
    assert [key for key, *_ in found if key.startswith("<")] == []
    assert reasons(left_out)["it stands for a whole /24, and greylist.ipv4_prefix is 32"] == 1


def test_a_single_address_of_sqlgreys_is_taken_over_into_as_narrow_a_network(tmp_path: Path) -> None:
    found = rows(restored(tmp_path, "full"), SEEN + 60, settings=Settings(ipv4_prefix=32))
    assert [group for key, group, _ in found if key.startswith("<")] == ["net:198.51.100.9/32"]


def test_milter_greylist_tells_who_passed_by_when_that_ends_and_from_when_others_may_pass() -> None:
    found = {(pair, group): record for pair, group, record in rows(DUMP, DUMPED + 60)}
    passed = Record(generation=0, first_seen=DUMPED, passed_at=DUMPED)
    waits = Record(generation=0, first_seen=1_795_829_351 - 60)
    assert found == {
        ("<Alice+tag@example.org> <bob@example.com>", "net:192.31.196.0/24"): passed,
        ("<example.com@example.net> <bob+x@example.com>", "net:192.31.196.0/24"): passed,
        ("<> <Bob@example.com>", "net:2001:db8:1:2::/64"): passed,
        ("<carol@example.org> <bob@example.com>", "net:192.31.196.0/24"): passed,
        ("<dave@example.org> <bob@example.com>", "net:192.31.196.0/24"): passed,
        ("<w@example.net> <odd_user@example.com>", "net:198.51.100.0/24"): waits,
        ("<a_b@example.net> <bob@example.com>", "net:198.51.100.0/24"): waits,
    }


def test_who_may_pass_by_milter_greylist_in_an_hour_waits_no_longer_than_we_make_him(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_text(re.sub(r"1795829351 # 2026-11-28 01:29:11", f"{DUMPED + 3600}", DUMP.read_text()))
    assert {record.first_seen for *_, record in rows(path, DUMPED) if record.passed_at is None} == {DUMPED}


def test_who_ended_earlier_was_seen_earlier_whatever_the_hosts_zone(tmp_path: Path) -> None:
    text = DUMP.read_text().replace("1796088552 AUTO # 2026-12-01 01:29:12", "1796002152 AUTO # 2026-11-30 01:29:12", 1)
    text = re.sub(r"(?<= )01:29:(?=1)", "03:29:", text)  # two hours east of Greenwich
    path = tmp_path / "dump"
    path.write_text(text)
    passed = sorted(record.passed_at for *_, record in rows(path, DUMPED) if record.passed_at)
    assert passed == [DUMPED - 86_400, *[DUMPED] * 4]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("192.31.196.10\t<a@b.example>\t<c@d.example>\t5", "its time is before 2000"),
        ("192.31.196.10\t<a@b.example>\t<c@d.example>\t1700000000", "it is so old that it counts no more"),
        ("nobody\t<a@b.example>\t<c@d.example>\t1795829351", "its client is no IP address"),
        ("192.31.196.10\t<a b@b.example@>\t<c@>\t1795829351", "it has no sender and recipient that are mail addresses"),
        ("192.31.196.10\t<a@b.example>\t<c@d.example>\tsoon", "its numbers are none"),
        ("192.31.196.10 \x1b[2J", "it is no row of milter-greylist's"),
    ],
    ids=["past", "old", "client", "mailbox", "number", "else"],
)
def test_a_line_that_can_not_be_taken_over_is_told_with_its_number_and_clean(
    line: str, reason: str, tmp_path: Path
) -> None:
    path, left_out = tmp_path / "dump", LeftOut()
    text = DUMP.read_text()
    path.write_text(f"{text}{line}\n")
    found = rows(path, DUMPED + 60, left_out)
    [omission] = left_out
    assert (omission.reason, omission.times, len(found)) == (reason, 1, 7)
    assert omission.first[0].startswith(f"line {text.count(chr(10)) + 1}: ")
    assert omission.first[0].isprintable()


STRANGE = {
    "empty": (b"", "empty"),
    "gzip": (b"\x1f\x8b\x08\0", "gunzip"),
    "a log": (b"Nov 28 01:29:12 mx postgrey[1]: action=pass\n", "nothing is known"),
    "rspamd's": (b"REDIS0011\xfa", "nothing can be taken over from rspamd"),
    "half a dump": (b"VERSION=3\nformat=print\ntype=btree\n", "no output of db_dump"),
    "SQLite's, damaged": (b"SQLite format 3\0" + b"x" * 5000, "SQLite can't read it"),
}


@pytest.mark.parametrize(("octets", "word"), STRANGE.values(), ids=STRANGE)
def test_says_of_another_file_what_it_is_and_what_to_do(octets: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / "postgrey.db"
    path.write_bytes(octets)
    with pytest.raises(Unreadable) as raised:
        recognise(path)
    assert word in f"{raised.value}; {raised.value.remedy}"


def test_says_of_a_folder_and_of_another_schema_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="directory"):
        recognise(tmp_path)
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        connection.execute("CREATE TABLE connect (x)")
    with pytest.raises(Unreadable, match="not sqlgrey's"):
        recognise(tmp_path / "other")


def test_knows_each_by_what_is_in_it(database_file: Path) -> None:
    assert recognise(DUMP) is Kind.MILTER_GREYLIST
    assert recognise(database_file) is Kind.SQLGREY
