"""What it takes to run real servers in network namespaces, and what of it is missing here."""

import os
import shutil

from rig.network import Namespace
from rig.postfix import DAEMONS

PROGRAMS = (
    "dig",
    "ip",
    "kresd",
    "m4",
    "man",
    "mandoc",
    "miltertest",
    "named",
    "nsd",
    "nsenter",
    "opendkim",
    "opendmarc",
    "openssl",
    "pdns_recursor",
    "prometheus",
    "promtool",
    "setpriv",
    "tayga",
    "unbound",
    str(DAEMONS / "master"),
)


def lack() -> str:
    """Say what is missing here, as the end of a sentence; empty if nothing is."""
    if os.geteuid() != 0:
        return "that needs root"
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        return f"these programs are missing: {', '.join(missing)} (`make test` installs them)"
    try:
        with Namespace() as namespace:
            namespace.run("ip", "tuntap", "add", "dev", "nat64", "mode", "tun")
    except (OSError, RuntimeError) as error:
        return f"none can be made: {error}"
    return ""
