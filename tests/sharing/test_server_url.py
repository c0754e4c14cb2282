"""URLs of servers: what each part of one says, and what is told of one that is wrong."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from traceback import format_exception
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.sharing.server_url import HIDDEN, Host, Kind, ServerUrl, WrongUrl, parse

SECRET = "s3cret/of#the?host@home"
QUOTED = "s3cret%2Fof%23the%3Fhost%40home"

RIGHT: Mapping[str, ServerUrl] = {
    "redis://192.0.2.1": ServerUrl(hosts=(("192.0.2.1", 6379),)),
    "redis://Redis.example.org:7000/3": ServerUrl(hosts=(("redis.example.org", 7000),), db=3),
    "redis://redis_1/": ServerUrl(hosts=(("redis_1", 6379),)),
    "redis://[2001:DB8:0::1]:7000/15/": ServerUrl(hosts=(("2001:db8::1", 7000),), db=15),
    "redis://[::ffff:192.0.2.1]": ServerUrl(hosts=(("::ffff:192.0.2.1", 6379),)),
    f"redis://:{QUOTED}@a.example": ServerUrl(hosts=(("a.example", 6379),), secret=SECRET),
    f"redis://us%2Fer:{QUOTED}@a.example": ServerUrl(hosts=(("a.example", 6379),), user="us/er", secret=SECRET),
    "redis://a:b:c@h": ServerUrl(hosts=(("h", 6379),), user="a", secret="b:c"),
    "redis://:%2A%2A%2A@h": ServerUrl(hosts=(("h", 6379),), secret="***"),
    "redis://:p%C3%A4ss@h?": ServerUrl(hosts=(("h", 6379),), secret="päss"),
    "redis://me@h/1?password_file=/a%20b/p%26w": ServerUrl(
        hosts=(("h", 6379),), db=1, user="me", password_file=Path("/a b/p&w")
    ),
    "redis://h?credential=redis-password": ServerUrl(hosts=(("h", 6379),), credential="redis-password"),
    "rediss://h?ca=/ca.pem": ServerUrl(hosts=(("h", 6379),), tls=True, ca=Path("/ca.pem")),
    "rediss://h:1/2?ca=/ca&cert=/c&key=/k&password_file=/p": ServerUrl(
        hosts=(("h", 1),), tls=True, db=2, ca=Path("/ca"), cert=Path("/c"), key=Path("/k"), password_file=Path("/p")
    ),
    "rediss://h?cert=/both.pem": ServerUrl(hosts=(("h", 6379),), tls=True, cert=Path("/both.pem")),
    "unix:///run/redis/redis-server.sock": ServerUrl(path=Path("/run/redis/redis-server.sock")),
    f"unix://me:{QUOTED}@/run/a%23b?db=2": ServerUrl(path=Path("/run/a#b"), user="me", secret=SECRET, db=2),
    "unix:///s?credential=x&db=1": ServerUrl(path=Path("/s"), credential="x", db=1),
    "redis+sentinel://h1,h2:26380,[::1]:26381/mymaster": ServerUrl(
        kind="sentinel", hosts=(("h1", 26379), ("h2", 26380), ("::1", 26381)), name="mymaster"
    ),
    "rediss+sentinel://h1/m.y-1/4?ca=/ca&sentinel_password_file=/s": ServerUrl(
        kind="sentinel",
        tls=True,
        hosts=(("h1", 26379),),
        name="m.y-1",
        db=4,
        ca=Path("/ca"),
        sentinel_password_file=Path("/s"),
    ),
    "redis+cluster://h1:7000,h2": ServerUrl(kind="cluster", hosts=(("h1", 7000), ("h2", 6379))),
    "rediss+cluster://me:x@h1/?ca=/ca": ServerUrl(
        kind="cluster", tls=True, hosts=(("h1", 6379),), user="me", secret="x", ca=Path("/ca")
    ),
}


@pytest.mark.parametrize(("text", "url"), RIGHT.items())
def test_each_part_of_a_url_is_understood(text: str, url: ServerUrl) -> None:
    assert parse(text) == url


WRONG: Mapping[str, tuple[str, str]] = {
    "": ("the scheme is unknown", '"redis://HOST"'),
    "rows.db": ("the scheme is unknown", '"redis://HOST"'),
    "reddis://s3cret@h": ("the scheme is unknown", '"rediss://HOST"'),
    "redis:h": ("the scheme is unknown", '"redis://HOST"'),
    "unix:/run/redis.sock": ("the scheme is unknown", '"unix:///PATH"'),
    "redis://s3cret\n@h": ("a character that can't be printed", "without"),
    "redis://:s3cret\ud800@h": ("a character that can't be printed", "without"),
    "redis://": ("the host is missing", "127.0.0.1:6379"),
    "redis://:6379": ("the host is missing", "127.0.0.1:6379"),
    "redis://:s3cret": ("the host is missing", "127.0.0.1:6379"),
    "redis+cluster://h1,,h3": ("host 2 is missing", "127.0.0.1:6379"),
    "redis://me:s3cret": ("the port of the host is none", "1 to 65535, or nothing for 6379"),
    "redis://h:": ("the port of the host is none", "1 to 65535"),
    "redis://h:0": ("the port of the host is none", "1 to 65535"),
    "redis://h:65536": ("the port of the host is none", "1 to 65535"),
    "redis://h:٣": ("the port of the host is none", "1 to 65535"),
    "redis+sentinel://h1,h2:x/m": ("the port of host 2 is none", "nothing for 26379"),
    "redis://::1": ("more than one colon", "[2001:db8::1]"),
    "redis://[::1": ("a bracket too few", "[2001:db8::1]"),
    "redis://[::1]x": ("a bracket too few", "[2001:db8::1]"),
    "redis://[::g]": ("the host is none", "[2001:db8::1]"),
    "redis://[]": ("the host is none", "[2001:db8::1]"),
    "redis://[fe80::1%25eth0]": ("the host is none", "[2001:db8::1]"),
    "redis://[h]": ("the host is none", "[2001:db8::1]"),
    "redis://192.0.2.256": ("the host is none", "192.0.2.1"),
    "redis://192.0.2": ("the host is none", "192.0.2.1"),
    "redis://6379": ("the host is none", "192.0.2.1"),
    "redis://-h": ("the host is none", "192.0.2.1"),
    "redis://h..example": ("the host is none", "192.0.2.1"),
    "redis://h h": ("the host is none", "192.0.2.1"),
    "redis://hö": ("the host is none", "192.0.2.1"),
    f"redis://{'a' * 64}": ("the host is none", "192.0.2.1"),
    f"redis://{'a.' * 126}aa": ("the host is none", "192.0.2.1"),
    "redis://p%40s3cret": ("the host is none", "192.0.2.1"),
    "redis://h1,h2": ("several hosts", '"redis+sentinel://"'),
    "redis://h/x": ("the db is no number", "such as 0"),
    "redis://h/-1": ("the db is no number", "such as 0"),
    "redis://h/٣": ("the db is no number", "such as 0"),
    "redis://h/123456": ("the db is no number", "such as 0"),
    "redis://h//": ("the db is no number", "such as 0"),
    "redis://h/0/1": ("the path has too many parts", "such as /0"),
    "redis+cluster://h/1": ("a Cluster has no db numbers", "take out"),
    "redis+cluster://h/0": ("a Cluster has no db numbers", "take out"),
    "redis+cluster://h?db=1": ("unknown word", "password_file, credential"),
    "redis+sentinel://h": ("the name that Sentinels call the server", "/mymaster"),
    "redis+sentinel://h/": ("the name that Sentinels call the server", "/mymaster"),
    "redis+sentinel://h/my%20master": ("the name that Sentinels call the server", "/mymaster"),
    "redis+sentinel://h/m/x": ("the db is no number", "such as 0"),
    "redis+sentinel://h/m/1/2": ("the path has too many parts", "/0"),
    "redis://:@h": ("the password is empty", "take out the colon"),
    "redis://me@h": ("the user has no password", "password_file=/path"),
    "redis://s3cret@h": ("the user has no password", "password_file=/path"),
    f"redis://me:{HIDDEN}@h": ("the password has been left out", "password_file=/path"),
    "redis://:s3cret@h?password_file=/p": ("the password stands there twice", "leave one"),
    "redis://:s3cret@h?credential=p": ("the password stands there twice", "leave one"),
    "redis://h?credential=p&password_file=/p": ("the password stands there twice", "leave one"),
    "redis://h?credential=p&credential=q": ("credential stands there twice", "leave one"),
    "redis://:s3/cret@h": ("one of / ? # @ stands where it can't", "%2F, %3F, %23 or %40"),
    "redis://:s3?cret@h": ("one of / ? # @ stands where it can't", "%2F, %3F, %23 or %40"),
    "redis://:s3#cret@h": ("one of / ? # @ stands where it can't", "%2F, %3F, %23 or %40"),
    "redis://h/0#s3cret": ("one of / ? # @ stands where it can't", "%2F, %3F, %23 or %40"),
    "redis://h?credential=a?b": ("one of / ? # @ stands where it can't", "%2F, %3F, %23 or %40"),
    "redis://:s3%cret@h": ("in the password is a % without two", "%25"),
    "redis://s3%2:x@h": ("in the user is a % without two", "%25"),
    "redis://:s3cret%ff@h": ("the password is no UTF-8", "each octet"),
    "redis://:s3cret%00@h": ("the password holds a character that can't be printed", "without"),
    "redis://h?password=s3cret": ("password can't stand behind the ?", "password_file=/path"),
    "redis://h?s3cret": ("unknown word behind the ?", "possible are password_file, credential"),
    "redis://h?db=1": ("unknown word behind the ?", "possible are password_file, credential"),
    "redis://h?credential=a&": ("unknown word behind the ?", "possible are password_file, credential"),
    "unix:///s?port=1": ("unknown word behind the ?", "possible are password_file, credential, db"),
    "rediss://h?port=1": ("unknown word behind the ?", "possible are password_file, credential, ca, cert, key"),
    "redis://h?sentinel_password_file=/p": ("unknown word behind the ?", "possible are password_file, credential"),
    "redis://h?ca=/ca": ("ca is for TLS", '"rediss"'),
    "redis+cluster://h?cert=/ca": ("cert is for TLS", '"rediss"'),
    "unix:///s?key=/ca": ("key is for TLS", '"rediss"'),
    "rediss://h?key=/k": ("key is of no use without cert", "cert=/path"),
    "rediss://h?ca=ca.pem": ("ca is no absolute path", "ca=/etc/milter64/FILE"),
    "redis://h?password_file": ("password_file is no absolute path", "password_file=/etc/milter64/FILE"),
    "redis://h?password_file=s3cret": ("password_file is no absolute path", "password_file=/etc/milter64/FILE"),
    "redis://h?password_file=/etc/": ("password_file is no absolute path", "password_file=/etc/milter64/FILE"),
    "redis://h?password_file=/%zz": ("in password_file is a %", "%25"),
    "redis://h?credential=/a": ("credential is no name", "LoadCredential="),
    "redis://h?credential=..": ("credential is no name", "LoadCredential="),
    "redis://h?credential=": ("credential is no name", "LoadCredential="),
    "unix://run/redis.sock": ("the path of the socket", '"unix:///run/redis/redis-server.sock"'),
    "unix://": ("the path of the socket", '"unix:///run/redis/redis-server.sock"'),
    "unix:///": ("the path of the socket", '"unix:///run/redis/redis-server.sock"'),
    "unix:///run/": ("the path of the socket", '"unix:///run/redis/redis-server.sock"'),
    f"unix:///{'a' * 107}": ("more than 107 bytes", "shorter"),
    "unix:///s?db=x": ("the db is no number", "such as 0"),
}


@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_what_is_wrong_with_a_url_is_told_with_a_remedy_and_without_what_may_be_a_password(
    text: str, told: tuple[str, str]
) -> None:
    with pytest.raises(WrongUrl) as caught:
        parse(text)
    what, remedy = told
    assert what in str(caught.value)
    assert remedy in caught.value.remedy
    assert "s3" not in f"{caught.value}{caught.value.remedy}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.one_of(st.text(), st.builds("redis{}://{}".format, st.sampled_from(["", "s", "+sentinel"]), st.text())))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(WrongUrl):
        assert parse(parse(text).shown.replace(HIDDEN, "x"))


def test_a_password_is_in_nothing_that_is_shown() -> None:
    for text, url in RIGHT.items():
        assert "s3" not in f"{url!r} {url} {url.shown}", text


SHOWN = {
    "redis://H:6379/0": "redis://h:6379",
    "redis://[2001:db8:0::1]/15": "redis://[2001:db8::1]:6379/15",
    f"redis://us%2Fer:{QUOTED}@h": "redis://us%2Fer:***@h:6379",
    f"unix://:{QUOTED}@/run/a%23b?db=2": "unix://:***@/run/a%23b?db=2",
    "rediss+sentinel://m%C3%A4@h1,[::1]:3/m/0?credential=x&ca=/a%26b": (
        "rediss+sentinel://m%C3%A4@h1:26379,[::1]:3/m?credential=x&ca=/a%26b"
    ),
    "redis+cluster://h1:7000,h2/": "redis+cluster://h1:7000,h2:6379",
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_a_url_is_shown_with_what_goes_without_saying_and_with_stars_for_a_password(text: str, shown: str) -> None:
    assert parse(text).shown == shown


printable = st.text(st.characters().filter(lambda one: category(one)[0] not in "CZ"), min_size=1, max_size=20)
paths = st.none() | st.builds("/{}".format, printable.filter(lambda text: text.rpartition("/")[2].strip("."))).map(Path)
names = st.from_regex(r"[a-z0-9._-]{1,9}", fullmatch=True).filter(lambda name: name.strip("."))
hosts: st.SearchStrategy[Host] = st.tuples(
    st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){0,3}", fullmatch=True)
    | st.ip_addresses(v=4).map(str)
    | st.sampled_from(["::1", "2001:db8::1"]),
    st.integers(1, 65535),
)


@st.composite
def urls(draw: st.DrawFn) -> ServerUrl:
    kinds: tuple[Kind, ...] = ("single", "sentinel", "cluster")
    kind = draw(st.sampled_from(kinds))
    tls = draw(st.booleans())
    path = draw(paths) if kind == "single" and not tls else None
    credential = draw(st.just("") | names)
    password_file = None if credential else draw(paths)
    cert = draw(paths) if tls else None
    return ServerUrl(
        kind=kind,
        tls=tls,
        hosts=() if path else tuple(draw(st.lists(hosts, min_size=1, max_size=1 if kind == "single" else 3))),
        path=path,
        name=draw(names) if kind == "sentinel" else "",
        db=draw(st.integers(0, 99999)) if kind != "cluster" else 0,
        user=draw(printable) if credential or password_file else "",
        password_file=password_file,
        credential=credential,
        sentinel_password_file=draw(paths) if kind == "sentinel" else None,
        ca=draw(paths) if tls else None,
        cert=cert,
        key=draw(paths) if cert else None,
    )


@given(urls())
def test_a_url_without_a_password_in_it_is_read_again_as_it_is_shown(url: ServerUrl) -> None:
    assert parse(url.shown) == url


# Passwords in files


def test_the_password_is_that_of_the_url_or_of_its_file_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "redis"
    file.write_text("first\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    by_file, by_systemd = parse(f"redis://h?password_file={file}"), parse("redis://h?credential=redis")
    assert (by_file.password(), by_systemd.password()) == ("first", "first")
    file.write_text("second: ö")
    assert (by_file.password(), by_systemd.password()) == ("second: ö", "second: ö")
    assert (parse("redis://h").password(), parse("redis://:x@h").password()) == ("", "x")
    sentinel = parse(f"redis+sentinel://:x@h/m?sentinel_password_file={file}")
    assert (sentinel.password(), sentinel.sentinel_password()) == ("x", "second: ö")
    assert by_file.sentinel_password() == ""


NO_PASSWORD = "the password in {} can't be read: not a single line of UTF-8 with a password"


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (None, "the password in {} can't be read: No such file or directory"),
        (b"", NO_PASSWORD),
        (b"\n", NO_PASSWORD),
        (b"s3cret\nmore\n", NO_PASSWORD),
        (b"s3cret\r\n", NO_PASSWORD),
        (b"s3cret\xff", NO_PASSWORD),
        (b"s3" * 2049, "the password in {} can't be read: more than 4096 bytes"),
    ],
)
def test_a_file_without_a_password_says_so_and_shows_nothing(tmp_path: Path, octets: bytes | None, why: str) -> None:
    file = tmp_path / "password"
    if octets is not None:
        file.write_bytes(octets)
    with pytest.raises(OSError, match="password") as caught:
        parse(f"redis://h?password_file={file}").password()
    assert caught.value.strerror == why.format(file)
    assert "s3" not in "".join(format_exception(caught.value))


def test_a_pipe_in_the_place_of_a_password_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        parse(f"redis://h?password_file={tmp_path}/pipe").password()


def test_a_credential_that_systemd_does_not_give_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(OSError, match="there is no credential redis"):
        parse("redis://h?credential=redis").password()
