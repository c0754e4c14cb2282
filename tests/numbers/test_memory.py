"""The budget of the caches in the numbers: how much it is, over a reload too, and that it is kept under a flood."""

import pytest

from milter64.address.networks import unpack
from milter64.limits.memory import MIB
from rig.direct import Message
from rig.lab import Lab
from rig.nsd import Nsd
from rig.numbers import Counted
from rig.process import until
from rig.world import HONEST, ZONES, behind

CACHES = ("familiar", "findings", "dns_cache", "dns_marks", "greylist_cache")


def counted(lab: Lab, more: str) -> Counted:
    nsd = lab.start(Nsd, ZONES)
    store = f"sqlite:{lab.folder}/rows.sqlite"
    text = f'[dns]\nnameservers = ["{nsd.server}"]\n[greylist]\nstore = "{store}"\n{more}'
    milter = lab.start(Counted, text)
    milter.wait_log(lambda line: line["event"] == "ready")
    return milter


def budget(milter: Counted) -> object:
    return pytest.approx(milter.number("cache_budget_bytes"), rel=1e-4)


def test_all_workers_have_the_budget_together_and_another_one_after_a_reload(lab: Lab) -> None:
    milter = counted(lab, '[milter]\nworkers = 2\n[limits]\nmemory = "12M"\n')
    until(lambda: budget(milter) == 12 * MIB, "the budget of both")
    milter.configure(milter.file.read_text().replace('"12M"', '"32M"').replace("workers = 2", "workers = 4"))
    milter.reload()
    milter.counts_to(1, "reloads_total", result="done")
    until(lambda: budget(milter) == 32 * MIB, "the budget of all four")


def test_what_is_in_the_caches_is_counted_and_never_more_than_the_budget(lab: Lab) -> None:
    milter = counted(lab, '[milter]\nworkers = 1\n[limits]\nmemory = "2M"\n')
    Message(address=behind(HONEST)).send(milter)
    until(lambda: milter.number("cache_bytes") > 0, "what is remembered to be counted")
    for number in range(700):  # each has a finding of his own, of some 900 octets
        Message(address=unpack(bytes((11, 18, number >> 8, number & 255)))).offer(milter)
    full = until(lambda: milter.number("bound_entries", bound="findings") > 400_000, "the findings to be counted")
    assert full
    for cache in CACHES:
        assert milter.number("bound_entries", bound=cache) <= milter.number("bound_capacity", bound=cache)
    assert milter.number("cache_bytes") <= milter.number("cache_budget_bytes")
    assert budget(milter) == 2 * MIB
