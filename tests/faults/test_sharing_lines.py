"""What befalls the way to a server that two hosts share, each time while mail flows over both."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.between import Between, Way
from rig.certificates import Authority, Certificate
from rig.hosts import SharingHost
from rig.lab import Lab
from rig.network import Namespace
from rig.port53 import Dns, give_dns_address, with_resolver
from rig.redis import Redis
from rig.sites import Sites
from rig.two_hosts import TwoHosts

pytestmark = pytest.mark.long

WAYS: tuple[Way, ...] = ("garbage", "dribble", "more")
OTHER_WAYS: tuple[Way, ...] = ("hold", "reset", "late")


@contextmanager
def goes(between: Between, way: Way) -> Iterator[None]:
    between.goes(way)
    yield
    between.goes("pass")


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[TwoHosts, Between]]:
    with Lab() as lab:
        redis = lab.start(Redis)
        with (
            Between(redis.port) as between,
            TwoHosts(lab, f"redis://127.0.0.1:{between.port}", lambda: [redis.path]) as two,
        ):
            yield two, between


@pytest.mark.parametrize("way", [*WAYS, *(pytest.param(way, marks=pytest.mark.slow) for way in OTHER_WAYS)])
def test_no_sender_notices_a_fault_of_the_way_to_a_server(two: tuple[TwoHosts, Between], way: Way) -> None:
    hosts, between = two
    hosts.endure(goes(between, way))


@pytest.mark.slow
def test_no_sender_notices_a_certificate_that_expires(lab: Lab) -> None:
    authority = Authority(lab.folder / "authority")
    good, bad = authority.sign("IP:127.0.0.1"), authority.sign("IP:127.0.0.1", days=0)
    files = (f"tls-cert-file {good.path}", f"tls-key-file {good.key}", f"tls-ca-cert-file {authority.path}")
    redis = lab.start(Redis, *files, "tls-auth-clients no", tls=True)

    def present(certificate: Certificate) -> None:
        redis.ask("CONFIG", "SET", "tls-cert-file", str(certificate.path), "tls-key-file", str(certificate.key))
        redis.ask("CLIENT", "KILL", "TYPE", "normal")

    @contextmanager
    def expired() -> Iterator[None]:
        present(bad)
        yield
        present(good)

    url = f"rediss://127.0.0.1:{redis.port}?ca={authority.path}"
    with TwoHosts(lab, url, lambda: [redis.path]) as two:
        two.endure(expired())
    assert "certificate expired" in redis.output


@pytest.mark.slow
def test_no_sender_notices_that_the_server_has_no_name_any_more(lab: Lab) -> None:
    """Nobody answers who could tell its address, and all connections are lost."""
    servers: list[Dns] = []
    with Sites() as sites:
        network, address = sites.new()
        redis = lab.start(Redis, "protected-mode no", network=network, address=address, port=6379)

        def resolving(folder: Path, *args: Any, network: Namespace, **options: Any) -> SharingHost:  # noqa: ANN401
            give_dns_address(network)
            servers.append(lab.start(Dns, {".": f"store.example. A {address}"}, network=network))
            host = SharingHost(folder, *args, network=network, **options)
            files = lab.folder / f"resolver{len(servers)}"
            files.mkdir()
            host.program = with_resolver(files, *host.program)
            return host

        @contextmanager
        def silent() -> Iterator[None]:
            for each in servers:
                os.killpg(each.pid, signal.SIGSTOP)
            redis.ask("CLIENT", "KILL", "TYPE", "normal")
            yield
            for each in servers:
                os.killpg(each.pid, signal.SIGCONT)

        url = "redis://store.example:6379"
        with TwoHosts(lab, url, lambda: [redis.path], sites=sites, kinds=(resolving, resolving)) as two:
            two.endure(silent())
