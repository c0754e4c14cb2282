"""TLS: the server's certificate has to be one that we trust, for the name that the URL has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from milter64.sharing.remedies import remedy
from rig.asker import asked, opened
from rig.between import Between, Way
from rig.certificates import Authority, Certificate
from rig.process import until
from rig.redis import Redis


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def good(authority: Authority) -> Certificate:
    return authority.sign("DNS:localhost")


@pytest.fixture
def redis(tmp_path: Path, authority: Authority, good: Certificate) -> Iterator[Redis]:
    settings = (
        f"tls-cert-file {good.path}",
        f"tls-key-file {good.key}",
        f"tls-ca-cert-file {authority.path}",
        "tls-auth-clients no",
    )
    with Redis(tmp_path / "redis", *settings, tls=True) as server:
        yield server


def present(redis: Redis, certificate: Certificate) -> None:
    """Have a server present another certificate to those who connect from now on, and part from the others."""
    redis.ask("CONFIG", "SET", "tls-cert-file", str(certificate.path), "tls-key-file", str(certificate.key))
    redis.ask("CLIENT", "KILL", "TYPE", "normal")


def url(redis: Redis, ca: Path, more: str = "", host: str = "localhost") -> str:
    return f"rediss://{host}:{redis.port}?ca={ca}{more}"


def gone(url: str) -> str:
    """Return what is told of a server that can't be had."""
    lines: list[str] = []
    with opened(url, lines):
        until(lambda: lines)
    return lines[0]


def test_a_certificate_that_expires_is_an_outage_until_there_is_a_new_one(
    redis: Redis, authority: Authority, good: Certificate
) -> None:
    expired = authority.sign("DNS:localhost", days=0)
    with asked(url(redis, authority.path)) as asker:
        asker.holds(
            lambda: present(redis, expired),
            lambda: present(redis, good),
            "closed the connection|certificate has expired",
        )
    present(redis, expired)
    assert "its certificate won't do: certificate has expired" in gone(url(redis, authority.path))


def test_a_certificate_for_another_name_wont_do(redis: Redis, authority: Authority) -> None:
    wrong = "its certificate won't do: {} mismatch, certificate is not valid for '{}'."
    assert gone(url(redis, authority.path, host="127.0.0.1")).endswith(wrong.format("IP address", "127.0.0.1"))
    present(redis, authority.sign("DNS:redis.lab.example,IP:127.0.0.1"))
    assert gone(url(redis, authority.path)).endswith(wrong.format("Hostname", "localhost"))
    with asked(url(redis, authority.path, host="127.0.0.1")) as asker:
        assert asker.lines == []


def test_a_certificate_that_another_has_signed_wont_do(redis: Redis, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    assert "its certificate won't do: " in gone(url(redis, other.path))


def test_a_server_that_wants_a_certificate_gets_it(redis: Redis, authority: Authority) -> None:
    redis.ask("CONFIG", "SET", "tls-auth-clients", "yes")
    mine = authority.sign("DNS:mx.lab.example")
    with asked(url(redis, authority.path, f"&cert={mine.path}&key={mine.key}")) as asker:
        assert asker.lines == []
    # A server may close before its alert has been read, and then nobody hears more.
    assert re.search("certificate required|Connection reset by peer", gone(url(redis, authority.path)))


def test_a_server_without_tls_is_no_server_with_it(tmp_path: Path, authority: Authority) -> None:
    with Redis(tmp_path / "plain") as plain:
        assert "is gone" in gone(url(plain, authority.path))


@pytest.mark.parametrize("way", ["dribble", "hold", "garbage"])
def test_a_handshake_that_goes_wrong_takes_no_longer_than_another_fault(
    redis: Redis, authority: Authority, way: Way
) -> None:
    lines: list[str] = []
    with Between(redis.port) as between:
        between.goes(way)
        with opened(f"rediss://localhost:{between.port}?ca={authority.path}", lines) as servers:
            until(lambda: lines)
            between.goes("pass")
            until(lambda: servers.edition, seconds=2.0)


def test_a_file_that_cant_be_used_is_named(redis: Redis, tmp_path: Path, authority: Authority) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    assert f"gone: {missing}: No such file or directory" in gone(url(redis, missing))
    assert f"gone: {empty}: " in gone(url(redis, authority.path, f"&cert={empty}"))


def test_who_speaks_no_tls_to_a_server_that_does_is_told_so_and_of_no_other_server(redis: Redis) -> None:
    told = gone(f"redis://:s3cret@127.0.0.1:{redis.port}")
    assert "localhost:6379" not in told
    assert '"rediss" where it wants TLS' in remedy(told), told


def test_who_trusts_another_authority_is_told_where_it_is_named(redis: Redis, tmp_path: Path) -> None:
    assert "in ca=" in remedy(gone(url(redis, Authority(tmp_path / "other").path)))
