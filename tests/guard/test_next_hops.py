import sys
from pathlib import Path

from milter64.address.networks import unpack
from milter64.guard.next_hops import gateways
from rig import unit
from rig.network import HERE, Namespace
from rig.process import until

LINK = """\
link add eth0 type veth peer name eth1
link set eth0 up
link set eth1 up
addr add 192.0.2.25/24 dev eth0
addr add 2001:db8:25::25/64 dev eth0 nodad
route add default via 192.0.2.1
route add 198.51.100.0/24 via 192.0.2.2
route add default via 2001:db8:25::1
route add 2001:db8:77::/48 via 2001:db8:25::2
"""


EXPECTED = {"127.0.0.1", "192.0.2.25", "192.0.2.1", "::1", "2001:db8:25::25", "2001:db8:25::1"}


def found(namespace: Namespace) -> set[str]:
    return set(map(unpack, namespace.call(lambda: gateways(Path("/proc/thread-self/net")))))


def test_a_hosts_own_addresses_and_its_routers_are_gateways() -> None:
    with Namespace() as host:
        host.run("ip", "-batch", "-", stdin=LINK)
        # The kernel adds what it knows of a new interface when it comes to it.
        everything = until(lambda: (addresses := found(host)) >= EXPECTED and addresses, "the kernel's routes")
    assert {address for address in everything - EXPECTED if not address.startswith("fe80::")} == set()


SANDBOX = 'mount -t proc -o "subset=$1" proc /proc && shift && exec "$@"'
ASK = "from milter64.guard.next_hops import gateways; print(*sorted(each.hex() for each in gateways()))"


def test_they_are_found_from_inside_the_units_sandbox() -> None:
    """There /proc shows processes and nothing else (ProcSubset)."""
    (subset,) = unit.values("ProcSubset")
    seen = HERE.run("unshare", "--mount", "sh", "-euc", SANDBOX, "sh", subset, sys.executable, "-c", ASK)
    assert seen.split() == sorted(each.hex() for each in gateways())
    assert "7f000001" in seen.split()


def test_a_host_that_tells_nothing_has_none(tmp_path: Path) -> None:
    assert gateways(tmp_path) == frozenset()
