"""What most stories play on: name servers, milter64 and a Postfix that asks it."""

from dataclasses import dataclass

from rig.lab import Lab
from rig.network import HERE, Network
from rig.nsd import Nsd, Zones
from rig.postfix import LOOPBACK, Postfix
from rig.service import Milter64

MEMORY = """
[greylist]
store = "memory:"
delay = "1s"
"""
"""A greylist that forgets with the process, and has no patience."""


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
) -> Stage:
    """Start the servers in `network`, Postfix at `addresses`."""
    nsd = lab.start(Nsd, zones, network=network)
    milter = lab.start(Milter64, f'{configuration}\n[dns]\nnameservers = ["{nsd.server}"]\n', network=network)
    postfix = lab.start(Postfix, milters=milter.milters, network=network, addresses=addresses)
    return Stage(dns=nsd, milter=milter, postfix=postfix)
