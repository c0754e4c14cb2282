"""What most stories play on: name servers, milter64 and a Postfix that asks it."""

import time
from dataclasses import dataclass

from rig.lab import Lab
from rig.network import HERE, Network
from rig.nsd import Nsd, Zones
from rig.postfix import LOOPBACK, Postfix
from rig.process import until
from rig.service import Milter64

MEMORY = """
[greylist]
store = "memory:"
delay = "1s"
"""
"""A greylist that forgets with the process, and has no patience."""


def wait_out_the_delay() -> None:
    """Let the second of that greylist go by, for stories whose next attempt must be the first after it."""
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1.05, "a second to go by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The servers of a story."""

    dns: Nsd
    milter: Milter64
    postfix: Postfix


def set_stage(
    lab: Lab,
    zones: Zones,
    configuration: str = MEMORY,
    *,
    network: Network = HERE,
    addresses: tuple[str, ...] = LOOPBACK,
    header_checks: str = "",
) -> Stage:
    """Start the servers in `network`, Postfix at `addresses` and with its `header_checks`."""
    nsd = lab.start(Nsd, zones, network=network)
    milter = lab.start(Milter64, f'{configuration}\n[dns]\nnameservers = ["{nsd.server}"]\n', network=network)
    postfix = lab.start(
        Postfix, milters=milter.milters, network=network, addresses=addresses, header_checks=header_checks
    )
    return Stage(dns=nsd, milter=milter, postfix=postfix)
