"""What hosts say of themselves, and whose clock is wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.sharing import members
from milter64.sharing.members import Member, astray, dump, own_name, read

AT = 1795900000.0


def member(host: str, offset: float = 0.0, *, at: float = AT) -> Member:
    numbers = {"rows": 1, "lists": 2, "limits": 3, "waiting": 4}
    return Member(host=host, version="0.2", at=at, offset=offset, state="whole", lag=0.1, **numbers)


def said(**other: object) -> bytes:
    return json.dumps(json.loads(dump(member("mx1#0001"))) | other).encode()


def test_what_a_host_says_others_read_by_its_name() -> None:
    mx1, mx2 = member("mx1#0001", 0.25), member("mx2#0002", -1.5)
    fields = {each.host.encode(): dump(each).encode() for each in (mx2, mx1)}
    assert read(fields) == [mx1, mx2]
    assert "mx" not in dump(mx1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"", said()),
        (b"mx1 #0001", said(version=1)),
        (b"mx1\n#0001", said()),
        (b"mx\xff#0001", said()),
        (b"m" * 81, said()),
        (b"mx1#0001", b""),
        (b"mx1#0001", b"\xff"),
        (b"mx1#0001", b"[]"),
        (b"mx1#0001", b"{}"),
        (b"mx1#0001", b"[" * 1000),
        (b"mx1#0001", said(version="x" * 1000)),
        (b"mx1#0001", said(at="now")),
        (b"mx1#0001", said(at=10**400)),
        (b"mx1#0001", said(at=True)),
        (b"mx1#0001", said(offset=float("nan"))),
        (b"mx1#0001", said(lag=float("inf"))),
        (b"mx1#0001", said(lag=None)),
        (b"mx1#0001", said(rows=-1)),
        (b"mx1#0001", said(rows=1.5)),
        (b"mx1#0001", said(rows=True)),
        (b"mx1#0001", said(waiting=2**53 + 1)),
        (b"mx1#0001", said(state=["whole"])),
    ],
)
def test_a_field_that_is_none_of_ours_is_left_out(name: bytes, text: bytes) -> None:
    ours = member("mx2#0002")
    assert read({name: text, ours.host.encode(): dump(ours).encode()}) == [ours]


@given(
    st.dictionaries(
        st.binary(), st.binary() | st.recursive(st.none() | st.floats(), st.lists).map(repr).map(str.encode)
    )
)
def test_whatever_stands_there_is_no_fault_of_ours(fields: dict[bytes, bytes]) -> None:
    assert read(fields) == []


def test_what_a_later_version_says_besides_is_passed_over_and_its_words_are_made_fit_to_be_shown() -> None:
    (read_member,) = read({b"mx1#0001": said(more=[1], version="0.3\x1b[31m", state="s" * 100)})
    assert (read_member.version, read_member.state) == ("0.3?[31m", "s" * 29 + "...")


def test_of_very_many_hosts_the_first_thousand_are_read() -> None:
    assert len(read({f"mx{number}#0001".encode(): said() for number in range(1001)})) == 1000


def test_a_host_not_heard_of_for_a_minute_counts_as_gone() -> None:
    assert [member("mx1#0001").gone(AT + seconds) for seconds in (-10, 60, 61)] == [False, False, True]


UNKNOWN = "there are too few clocks to tell which is wrong"
ALL = [
    ([0.1, -299, 300], []),
    ([301, 0, 0], ["the clock of this host is 301 s ahead of that of the server, mx2#2, mx3#3"]),
    ([-301, 1], ["the clock of this host is 302 s behind that of the server, mx2#2"]),
    ([1, -400, 1], ["the clock of mx2#2 is 401 s behind that of the server, this host, mx3#3"]),
    ([400, 402], ["the clock of the server is 401 s behind that of this host, mx2#2"]),
    ([400, 402, 401, 402, 400], ["the clock of the server is 401 s behind that of this host, mx2#2, mx3#3, 2 more"]),
    ([400], ["the clock of this host is 400 s ahead of that of the server", UNKNOWN]),
    (
        [400, 0, -500],
        [
            "the clock of this host is 400 s ahead of that of the server, mx2#2",
            "the clock of mx3#3 is 500 s behind that of the server, mx2#2",
        ],
    ),
    (
        [400, -400],
        [
            "the clock of this host is 400 s ahead of that of the server",
            "the clock of mx2#2 is 400 s behind that of the server",
            UNKNOWN,
        ],
    ),
    (
        [400, 400, 0],
        [
            "the clock of this host is 400 s ahead of that of the server",
            "the clock of mx2#2 is 400 s ahead of that of the server",
            UNKNOWN,
        ],
    ),
]


@pytest.mark.parametrize(("offsets", "expected"), ALL)
def test_those_clocks_are_right_that_agree_with_most_others(offsets: list[float], expected: list[str]) -> None:
    hosts = [member(f"mx{number}#{number}", offset) for number, offset in enumerate(offsets, start=1)]
    text = astray("mx1#1", hosts)
    remedy = "have it set by NTP; `timedatectl` shows whether it is"
    assert text == (f"{'; '.join(expected)}: {remedy}" if expected else "")


def test_a_host_that_is_gone_says_nothing_about_clocks() -> None:
    assert astray("mx1#1", [member("mx1#1", 1), member("mx2#2", 400, at=AT - 61)]) == ""
    assert astray("", [member("mx1#1", 1), member("mx2#2", 400, at=AT - 61)]) == ""
    assert "of this host is" in astray("mx1#1", [member("mx1#1", 400), member("mx2#2", at=AT - 61)])


def test_no_hosts_have_no_clocks() -> None:
    assert astray("mx1#1", []) == ""


def test_services_of_one_host_have_names_of_their_own_and_keep_them() -> None:
    one, other = own_name("sqlite:/var/lib/a"), own_name("sqlite:/var/lib/b")
    assert one != other
    assert own_name("sqlite:/var/lib/a") == one
    fields = {one.encode(): said(), other.encode(): said()}
    assert {each.host for each in read(fields)} == {one, other}


def test_a_host_without_a_machine_id_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_MACHINE", Path("/nonexistent"))
    assert own_name("memory:") != own_name("sqlite:/var/lib/a")
