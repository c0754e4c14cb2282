"""The address that Postfix sends from, where inet_interfaces has names: it binds what it has one of in a family."""

from dataclasses import replace

import pytest

from milter64.audit.facts.host import Address
from milter64.audit.facts.lookups import Known
from rig.scene import ADDRESSES, FOUR, HOST, OTHER_FOUR, SIX, Scene, service

TWO = replace(HOST, addresses=(*ADDRESSES, Address(address=OTHER_FOUR, length=24, interface="eth0")))
HOSTS = {
    "localhost": ("127.0.0.1", "::1"),
    "mx.example.org": (OTHER_FOUR, SIX),
    "debian.example.org": ("127.0.1.1",),
    "two.example.org": (FOUR, OTHER_FOUR),
}


@pytest.mark.parametrize(
    ("interfaces", "source"),
    [
        ("mx.example.org", f"{OTHER_FOUR}, by inet_interfaces"),
        ("MX.example.org [::1]", f"{OTHER_FOUR}, by inet_interfaces"),
        (f"mx.example.org, {OTHER_FOUR}", f"{OTHER_FOUR}, by inet_interfaces"),
        ("mx.example.org, localhost", f"{FOUR}, by the kernel"),
        ("debian.example.org", f"{FOUR}, by the kernel"),
        ("two.example.org", f"{FOUR}, by the kernel"),
        ("loopback-only", f"{FOUR}, by the kernel"),
        ("all", f"{FOUR}, by the kernel"),
        ("nowhere.example.org", f"{FOUR}, by the kernel"),
    ],
)
def test_the_source_is_the_only_address_of_the_names(interfaces: str, source: str) -> None:
    scene = Scene(host=TWO, main={"inet_interfaces": interfaces}, lookups=Known(hosts=HOSTS))
    (line,) = (each for each in scene.lines("outbound") if each.subject == "IPv4 source of smtp, relay")
    assert line.reason.startswith(source)


def test_a_service_may_have_interfaces_of_its_own() -> None:
    services = (service("smtp", inet_interfaces="mx.example.org"),)
    scene = Scene(host=TWO, services=services, lookups=Known(hosts=HOSTS))
    assert any(each.reason.startswith(f"{OTHER_FOUR}, by inet_interfaces") for each in scene.lines("outbound"))
