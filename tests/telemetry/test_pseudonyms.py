"""The key that pseudonyms are made with, and what tells of a person."""

import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.telemetry import pseudonyms
from milter64.telemetry.pseudonyms import Pseudonyms, tells, without_mailboxes

OWN = "from milter64.telemetry.pseudonyms import key; print(key(None).hex())"


def forked(work: Callable[[], bytes]) -> bytes:
    """Return 32 octets that a child makes."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.write(writer, work())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:  # noqa: PTH123  a descriptor, and no path
        made = file.read()
    os.waitpid(child, 0)
    return made


def test_the_key_stays_and_is_for_our_eyes_alone(tmp_path: Path) -> None:
    path = tmp_path / "greylist.sqlite.key"
    key = pseudonyms.key(path)
    assert len(key) == 32
    assert pseudonyms.key(path) == key == path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_it_stands_beside_the_greylist() -> None:
    assert pseudonyms.place("sqlite:/var/lib/milter64/rows") == Path("/var/lib/milter64/rows.key")
    assert pseudonyms.place("memory:") is None


def test_another_place_has_another_key(tmp_path: Path) -> None:
    assert pseudonyms.key(tmp_path / "a") != pseudonyms.key(tmp_path / "b")


def test_several_who_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    path = tmp_path / "key"
    code = (
        f"from milter64.telemetry.pseudonyms import key; import pathlib; print(key(pathlib.Path({str(path)!r})).hex())"
    )
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(6)]
    said = {process.communicate(timeout=60)[0].strip() for process in started}
    assert said == {path.read_bytes().hex().encode()}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_what_is_no_key_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    key = pseudonyms.key(path)
    assert len(key) == 32
    assert key == pseudonyms.key(path) != content


def test_a_pipe_in_the_place_of_the_key_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "key"
    os.mkfifo(path)
    assert pseudonyms.key(path) == path.read_bytes()


def test_where_there_is_no_room_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        pseudonyms.key(tmp_path / "missing" / "key")


def test_without_a_file_it_is_the_processs_own_and_that_of_those_it_forks() -> None:
    key = pseudonyms.key(None)
    assert key == pseudonyms.key(None) == forked(lambda: pseudonyms.key(None))
    assert len(key) == 32
    assert key.hex() != subprocess.check_output([sys.executable, "-c", OWN], text=True, timeout=60).strip()


def test_a_list_of_names_reverses_nothing() -> None:
    ours, others = Pseudonyms(b"a" * 32), Pseudonyms(b"b" * 32)
    assert ours.of("joe@honest.example") == Pseudonyms(b"a" * 32).of("joe@honest.example")
    assert ours.of("joe@honest.example") != others.of("joe@honest.example")
    assert ours.of("joe@honest.example")[:16] != sha256(b"joe@honest.example").hexdigest()[:16]


@pytest.mark.parametrize(
    ("mailbox", "domain"),
    [
        ("joe.bloggs@honest.example", "honest.example"),
        ("joe.bloggs@[192.0.2.1]", "[192.0.2.1]"),
        ("joe.bloggs@[ipv6:2001:db8::1]", "[ipv6:2001:db8::1]"),
        ("joe.bloggs", ""),
        ('"a@joe.bloggs"', ""),
        ("<a@honest.example> joe.bloggs", ""),
        ("<a@honest.example:joe.bloggs", ""),
        ("a@[joe.bloggs]", ""),
        ("joe\ud800\udce9@honest.example", "honest.example"),
    ],
)
def test_of_a_mailbox_only_what_is_a_domain_is_shown(mailbox: str, domain: str) -> None:
    digest, at, shown = Pseudonyms(b"a" * 32).of(mailbox).partition("@")
    assert (len(digest), at, shown) == (16, "@", domain)


@pytest.mark.parametrize(
    "text",
    [
        "joe.bloggs",
        "joe.bloggs@honest.example",
        "JOE.Bloggs.example",
        "joe-bloggs.pc.example",
        "joe bloggs",
        "joebloggs.example",
        "of joe_bloggs._spf.honest.example",
        "ann@elsewhere.example",
    ],
)
def test_a_text_that_tells_a_local_part_is_found(text: str) -> None:
    assert tells(text, ["joe.bloggs@honest.example"])
    assert tells(text, ["joe.bloggs+tag@honest.example"])
    assert tells(text, ["", "ann@lab.example", '"joe bloggs"@honest.example'])


def test_a_local_part_beyond_ascii_is_found_in_a_labels() -> None:
    assert tells("xn--jrg-sna.example", ["j\u00f6rg@honest.example"])


@pytest.mark.parametrize("text", ["", "mail.honest.example", "192.31.196.10", "ajoe.bloggsx.example"])
def test_a_text_that_tells_none_is_left_alone(text: str) -> None:
    assert not tells(text, ["joe.bloggs@honest.example", "", "a@b.example"])


@given(st.text(), st.text())
def test_any_text_can_be_looked_at(text: str, mailbox: str) -> None:
    tells(text, [mailbox])
    Pseudonyms(b"a" * 32).of(mailbox)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('"joe.bloggs@Lab.example" would never match', '"...@Lab.example" would never match'),
        ("('utf-8', '<joe.bloggs@x.example> <a@b.example>')", "('utf-8', '<...@x.example> <...@b.example>')"),
        ('"joe bloggs"@x.example', "...@x.example"),
        ("inet:8864@127.0.0.1 and inet6:8864@[::1]", "inet:8864@127.0.0.1 and inet6:8864@[::1]"),
        ("8864@x.example", "...@x.example"),
        ("no address", "no address"),
    ],
)
def test_a_text_of_ours_loses_the_local_parts_before_at_signs(text: str, left: str) -> None:
    assert without_mailboxes(text) == left
