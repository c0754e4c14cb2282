import pytest

from bench.worst import CASES, World, client, domain
from milter64.address.networks import pack
from milter64.checks.iprev import reverse_name

WORLD = World()


@pytest.mark.parametrize("case", range(len(CASES)), ids=[case.title for case in CASES])
def test_every_session_has_names_of_its_own_in_dns(case: int) -> None:
    for session in (0, 7, 60_000):
        at = domain(case, session)
        for name in (at, f"helo.{at}"):
            assert any(str(text).startswith("v=spf1") for text in (WORLD.get(name) or {})["TXT"])
        pointers = list((WORLD.get(reverse_name(pack(client(case, session)))) or {})["PTR"])
        assert all(str(pointer).endswith(at) for pointer in pointers)
        assert WORLD.get(str(pointers[0]))


@pytest.mark.parametrize("name", ["", "example.org", "worst.test", "c1.worst.test", "1.2.3.4.in-addr.arpa"])
def test_nobody_else_has_any(name: str) -> None:
    assert not WORLD.get(name)
