"""Docker's files: read by their own tools, and the image built and run without an engine, from a Debian of our own."""

import json
import re
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from milter64.config.load_file import load
from rig import deb
from rig.chroot import Chroot
from rig.lab import Lab
from rig.network import HERE, Namespace, Network
from rig.process import Process, until

pytestmark = pytest.mark.long

COMPOSE = deb.ROOT / "contrib" / "compose"
DOCKER = deb.ROOT / "packaging" / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
_TO_JSON = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"


@pytest.fixture(scope="module")
def compose() -> Any:  # noqa: ANN401  whatever stands in it
    """Return the compose file as Docker's own tool understands it."""
    said = HERE.run("env", "MAIL_IMAGE=mail", "docker-compose", "-f", str(COMPOSE / "compose.yaml"), "config")
    return json.loads(HERE.run("/usr/bin/python3", "-c", _TO_JSON, stdin=said))


def test_the_mail_server_has_an_ipv6_address_of_its_own_so_that_its_clients_keep_theirs(compose: Any) -> None:  # noqa: ANN401  as above
    network = compose["networks"]["mail"]
    subnets = [ip_network(each["subnet"]) for each in network["ipam"]["config"]]
    assert network["enable_ipv6"] is True
    assert [(subnet.version, subnet.is_private) for subnet in subnets] == [(4, True), (6, True)]
    assert subnets[1].subnet_of(ip_network("fd00::/8"))  # type: ignore[arg-type]  # it is an IPv6 one
    assert subnets[1].prefixlen == 64
    assert [list(service["networks"]) for service in compose["services"].values()] == [["mail"], ["mail"]]


def test_port_25_is_published_for_both_families_and_the_milters_is_not(compose: Any) -> None:  # noqa: ANN401  as above
    (port,) = compose["services"]["mail"]["ports"]
    assert (str(port["published"]), port["target"], port.get("host_ip")) == ("25", 25, None)
    assert "ports" not in compose["services"]["milter64"]


def test_the_mail_servers_image_must_be_named() -> None:
    with pytest.raises(RuntimeError, match="names the image of your mail server"):
        HERE.run("docker-compose", "-f", str(COMPOSE / "compose.yaml"), "config")


def test_the_shared_server_is_open_on_one_address_with_a_password_and_throws_out_nothing() -> None:
    files = [word for name in ("compose.yaml", "cluster.yaml") for word in ("-f", str(COMPOSE / name))]
    given = ["MAIL_IMAGE=mail", "SHARED_ADDRESS=192.0.2.10", "SHARED_PASSWORD=s3cret"]
    said = HERE.run("env", *given, "docker-compose", *files, "config")
    services = json.loads(HERE.run("/usr/bin/python3", "-c", _TO_JSON, stdin=said))["services"]
    (port,) = services["shared"]["ports"]
    if isinstance(port, str):  # by docker-compose 1
        assert port == "192.0.2.10:6379:6379/tcp"
    else:
        assert (port["host_ip"], str(port["published"]), port["target"]) == ("192.0.2.10", "6379", 6379)
    assert services["milter64"]["hostname"] == "mx1"
    program, *words = services["shared"]["command"]
    assert program == "valkey-server"
    settings = dict(zip([word.removeprefix("--") for word in words[::2]], words[1::2], strict=True))
    assert settings == {"requirepass": "s3cret", "maxmemory": "1gb", "maxmemory-policy": "noeviction", "save": ""}
    for missing in range(1, 3):
        with pytest.raises(RuntimeError, match=given[missing].partition("=")[0]):
            HERE.run("env", *given[:missing], *given[missing + 1 :], "docker-compose", *files, "config")


def test_the_daemon_keeps_its_proxy_out_of_the_way() -> None:
    assert json.loads((COMPOSE / "daemon.json").read_text()) == {"userland-proxy": False, "ip6tables": True}


def test_the_image_has_what_milter64_depends_on_and_what_speaks_with_redis() -> None:
    assert {*deb.depends(), "python3-redis"} == set(
        re.findall(r"^ {8}(python3-[\w-]+|publicsuffix)", DOCKERFILE, flags=re.MULTILINE)
    )


def test_the_images_settings_are_valid_and_listen_where_it_says() -> None:
    endpoint = load(DOCKER / "milter64.toml").milter.socket
    assert str(endpoint) == "inet6:8864@[::]"
    assert "EXPOSE 8864/tcp" in DOCKERFILE


class Buildah:
    """Builds and runs images with no engine, each with files of its own."""

    def __init__(self, folder: Path) -> None:
        places = ("--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")
        self._command = ("env", "BUILDAH_ISOLATION=chroot", "buildah", *places)

    def __call__(self, *words: str) -> str:
        return HERE.run(*self._command, *words).strip()

    def command(self, *words: str) -> tuple[str, ...]:
        return *self._command, *words


@pytest.fixture(scope="module")
def buildah(bookworm: Chroot) -> Iterator[Buildah]:
    """Have the image built, over a Debian of ours in the place of debian:12-slim."""
    with Lab() as lab:
        buildah = Buildah(lab.folder)
        base = buildah("from", "scratch")
        buildah("add", "--quiet", base, str(bookworm.root), "/")
        buildah("commit", "--quiet", "--rm", base, "docker.io/library/debian:12-slim")
        file = str(DOCKER / "Dockerfile")
        buildah("bud", "--format", "docker", "--pull-never", "-f", file, "-t", "milter64", str(deb.ROOT))
        yield buildah


@pytest.mark.slow
@pytest.mark.timeout(900)  # Debian is installed first
def test_the_image_can_be_built_and_milter64_serves_in_it(buildah: Buildah) -> None:
    container = buildah("from", "--pull-never", "localhost/milter64")
    assert "is valid" in buildah("run", container, "--", "python3", "-m", "milter64", "check-config")
    assert buildah("run", container, "--", "id", "-un") == "milter64"
    image = json.loads(buildah("inspect", "--type", "image", "localhost/milter64"))["Docker"]["config"]
    assert (image["User"], image["Entrypoint"], image["Cmd"]) == ("milter64", ["python3", "-m", "milter64"], ["run"])
    health = image["Healthcheck"]["Test"][1:]
    serve = buildah.command("run", container, "--", *image["Entrypoint"], *image["Cmd"])
    with Namespace() as network, Process(*network.command(*serve)) as process:
        until(lambda: _healthy(network, health), "the image's own health check")
        process.expect(r"event=ready socket=inet6:8864@\[::\]")
        network.connect("127.0.0.1", 8864).close()
    buildah("rm", container)


def _healthy(network: Network, check: list[str]) -> bool:
    return not subprocess.run(network.command(*check), capture_output=True, check=False).returncode
