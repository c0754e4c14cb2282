"""What it takes to run real servers in network namespaces, and what of it is missing here."""

import os
import shutil
from collections.abc import Sequence

from rig.network import Namespace
from rig.postfix import DAEMONS

OF_THE_DEMO = ("ip", "nsd", "nsenter", "tayga", "unbound", str(DAEMONS / "master"))
OF_THE_TESTS = (
    *OF_THE_DEMO,
    "chromium",
    "dig",
    "kresd",
    "m4",
    "man",
    "mandoc",
    "miltertest",
    "named",
    "opendkim",
    "opendmarc",
    "openssl",
    "pdns_recursor",
    "prometheus",
    "promtool",
    "setpriv",
)


def lack(programs: Sequence[str], target: str) -> str:
    """Say what is missing here, as the end of a sentence, empty if nothing is; `make TARGET` installs the programs."""
    if os.geteuid() != 0:
        return "that needs root"
    if missing := [program for program in programs if not shutil.which(program)]:
        return f"these programs are missing: {', '.join(missing)} (`make {target}` installs them)"
    try:
        with Namespace() as namespace:
            namespace.run("ip", "tuntap", "add", "dev", "nat64", "mode", "tun")
    except (OSError, RuntimeError) as error:
        return f"none can be made: {error}"
    return ""
